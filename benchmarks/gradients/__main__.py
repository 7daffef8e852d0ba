"""Measure the gradient engine and write the numbers as JSON.

python -m benchmarks.gradients --corpus corpus.jsonl.gz --out gradients.json
python -m benchmarks.gradients --only speed        # generated rows where no corpus is given
"""

import argparse
import json
import platform
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from spice_select.data.records import Example
from spice_select.models import load_model

from .rows import generated_rows, real_rows
from .speed import measure_peak, measure_speed
from .sweep import exact_gradients, length_bias, sweep


def main() -> None:
    options = _options()
    loaded = load_model(options.model, dtype=options.dtype, device=options.device)
    parts: dict[str, Any] = {}
    report = {"model": loaded.name, "precision": loaded.precision, "machine": _machine(), "parts": parts}
    only = options.only or ("speed", "peak", "fidelity")

    def rows(count: int) -> list[Example]:
        if options.corpus:
            return real_rows(options.corpus, loaded.tokenizer, count, options.max_tokens)
        return generated_rows(loaded.model.config.vocab_size, count, options.max_tokens)

    started = perf_counter()
    if "speed" in only:
        parts["speed"] = measure_speed(
            loaded.model,
            rows(options.rows),
            token_budget=options.token_budget,
            dim=options.dim,
            repeats=options.repeats,
        )
        _show(parts["speed"])
    if "peak" in only:
        longest = sorted(rows(options.rows), key=lambda e: -e.num_tokens)[: options.peak_rows]
        parts["peak"] = measure_peak(options.model, longest, options.dim)
        _show(parts["peak"])
    if "fidelity" in only:
        probe = rows(options.probe)
        exact, norms = exact_gradients(loaded.model, probe, options.token_budget)
        parts["length_bias"] = length_bias(probe, norms)
        _show(parts["length_bias"])
        parts["fidelity"] = []
        for record in sweep(loaded.model, exact, options.seeds, options.dense):
            parts["fidelity"].append(record)
            _show(record)
    report["seconds"] = perf_counter() - started
    Path(options.out).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="directory or hub id; the embedded proxy unless given")
    parser.add_argument("--corpus", default=None, help="file of real rows; generated ones unless given")
    parser.add_argument("--out", default="gradients.json")
    parser.add_argument("--only", nargs="*", choices=("speed", "peak", "fidelity"))
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rows", type=int, default=24, help="rows that are timed")
    parser.add_argument("--probe", type=int, default=150, help="rows of the fidelity sweep")
    parser.add_argument("--peak-rows", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--token-budget", type=int, default=2048)
    parser.add_argument("--dim", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dense", type=int, nargs="*", default=[512], help="dimensions of the dense Rademacher sketch")
    return parser.parse_args()


def _machine() -> dict[str, Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _show(record: object) -> None:
    print(json.dumps(record), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
