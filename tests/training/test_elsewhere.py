"""What LLaMA-Factory and axolotl themselves make of an export, each in a Python of its own.

They pin other versions than ours, so these tests run only where an environment variable names such a Python:
``SPICE_LLAMAFACTORY_PYTHON`` (llamafactory 0.9.5), ``SPICE_AXOLOTL_PYTHON`` (axolotl 0.19.0).
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spice_select.export import export_run
from spice_select.testing.tokenizers import tiny_tokenizer
from tests.training.runs import CALL, OTHER_CALL, encoded, finished_run, turns

Read = Callable[[Path], dict[str, Any]]

ROWS = [
    {"messages": turns("What is 1 + 2?", "It is 3.", "And 2 + 2?", "That is 4: 2 + 2 = 4.", system="Count well.")},
    {"messages": turns("Good morning. ", "bonjour, 早上好")},
    {"messages": turns("Say hello", "\nHello ")},
]
QUESTION_LAST = {"messages": turns("One question", "one answer", "and a last one")}
CALLING = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{% for call in message['tool_calls'] or [] %}"
    "{{ call['function']['name'] }}{{ call['function']['arguments'] | tojson }}{% endfor %}"
    "{{ '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML that shows tools and the name and arguments of calls."""


def reader(variable: str, script: str) -> Read:
    """Runs a script of ours with the Python that the variable names, in the export; skips where it names none."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no Python that has the library")
    path = Path(__file__).with_name(script)

    def read(folder: Path) -> dict[str, Any]:
        quiet = {**os.environ, "HF_HOME": str(folder.parent / "hf"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [python, path], cwd=folder, env=quiet, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return read


@pytest.fixture
def llamafactory() -> Read:
    return reader("SPICE_LLAMAFACTORY_PYTHON", "read_llamafactory.py")


@pytest.fixture
def axolotl() -> Read:
    return reader("SPICE_AXOLOTL_PYTHON", "read_axolotl.py")


@pytest.fixture
def model(tmp_path: Path, tiny_proxy: Path) -> Callable[..., str]:
    """The tiny model with a tokenizer of the caller's."""

    def make(tokenizer: Any) -> str:
        from transformers import AutoModelForCausalLM

        folder = tmp_path / "model"
        AutoModelForCausalLM.from_pretrained(tiny_proxy).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return str(folder)

    return make


def trained(found: dict[str, Any]) -> list[tuple[list[int], list[bool]]]:
    return [(row["ids"], [label != -100 for label in row["labels"]]) for row in found["train"]]


def with_line_ends(mask: list[bool]) -> list[bool]:
    """The mask with the one token after each answer, ChatML's line end."""
    return [now or before for before, now in zip([False, *mask], mask, strict=False)]


def test_llamafactory_takes_every_row_as_it_is(tmp_path: Path, llamafactory: Read, model: Any) -> None:
    tokenizer = tiny_tokenizer()
    rows = [*ROWS, CALL, OTHER_CALL]
    done = export_run(
        finished_run(tmp_path / "r", [*rows, QUESTION_LAST], "messages"), "llamafactory", model=model(tokenizer)
    )
    assert done.reasons == {"no-answer-at-the-end": 1}
    found = llamafactory(done.path)
    assert [row["_system"] for row in found["aligned"]] == ["Count well.", "", "", "", ""]
    said = [[turn["content"] for turn in row["_prompt"] + row["_response"]] for row in found["aligned"]]
    assert said[:3] == [[t["content"] for t in row["messages"] if t["role"] != "system"] for row in ROWS]
    assert [turn["role"] for turn in found["aligned"][3]["_prompt"]] == ["user", "function", "observation"]
    assert [json.loads(calls[1])[0]["arguments"] for calls in said[3:]] == [{"city": "Rome"}, {"a": 1, "b": 2}]
    (tool,) = json.loads(found["aligned"][3]["_tools"])
    assert tool == {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    assert [bool(row["_tools"]) for row in found["aligned"]] == [False, False, False, True, False]
    assert len(found["train"]) == len(rows)


def test_llamafactory_supervises_as_the_selection_did_and_the_line_ends(
    tmp_path: Path, llamafactory: Read, model: Any
) -> None:
    tokenizer = tiny_tokenizer()
    done = export_run(finished_run(tmp_path / "r", ROWS, "messages"), "llamafactory", model=model(tokenizer))
    expected = [(ids, with_line_ends(mask)) for ids, mask in encoded(ROWS, "messages", tokenizer)]
    assert trained(llamafactory(done.path)) == expected


def test_axolotl_supervises_exactly_as_the_selection_did(tmp_path: Path, axolotl: Read, model: Any) -> None:
    tokenizer = tiny_tokenizer(CALLING)
    rows = [*ROWS, QUESTION_LAST, CALL, OTHER_CALL]
    done = export_run(finished_run(tmp_path / "r", rows, "messages"), "axolotl", model=model(tokenizer))
    assert done.left_out == ()
    # axolotl shuffles
    assert sorted(trained(axolotl(done.path))) == sorted(encoded(rows, "messages", tokenizer))
