"""Measure the gradient engine and write the numbers as JSON.

python -m benchmarks.gradients speed --corpus corpus.jsonl.gz     # against the plain pass and the loop; peak memory
python -m benchmarks.gradients peers --corpus corpus.jsonl.gz     # against other libraries
python -m benchmarks.gradients gpu                                # all of it on a GPU, with random weights

Rows are generated where no corpus is given.
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
from spice_select.models.load import Loaded

from .gpu import measure_gpu
from .gpu_table import gpu_table
from .peers.compare import CLOCKS, compare, over_engine, write_setting
from .peers.environments import cache_folder
from .rows import generated_rows, real_rows
from .speed import measure_peak, measure_speed


def main() -> None:
    options = _options()
    if options.threads:
        torch.set_num_threads(options.threads)
    started = perf_counter()
    report = {"machine": _machine(), **_PARTS[options.part](options)}
    report["total_seconds"] = perf_counter() - started
    Path(options.out or f"gradients-{options.part}.json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if "table" in report:
        print(report["table"])


def _speed(options: argparse.Namespace) -> dict[str, Any]:
    loaded = load_model(options.model, dtype=options.dtype, device=options.device)
    rows = _rows(options, loaded)
    speed = measure_speed(
        loaded.model,
        rows,
        token_budget=options.token_budget,
        dim=options.dim,
        repeats=options.repeats,
        names=options.subjects,
    )
    _show(speed)
    longest = sorted(rows, key=lambda e: -e.num_tokens)[: options.peak_rows]
    peak = measure_peak(options.model, longest, options.dim) if options.peak_rows else None
    _show(peak)
    return {"model": loaded.name, "precision": loaded.precision, "speed": speed, "peak": peak}


def _peers(options: argparse.Namespace) -> dict[str, Any]:
    loaded = load_model(options.model, dtype="float32", device="cpu")
    folder = cache_folder() / "gradient-peers"
    write_setting(folder, loaded.model, _rows(options, loaded), options.token_budget, options.dim)
    records = compare(folder, options.peers or (), threads=torch.get_num_threads(), repeats=options.repeats)
    for record in records:
        _show(record)
    ratios = {clock: over_engine(records, clock) for clock in CLOCKS}
    _show(ratios)
    return {"model": loaded.name, "records": records, "over_engine": ratios}


def _gpu(options: argparse.Namespace) -> dict[str, Any]:
    report = measure_gpu(tiny=options.tiny, dim=options.dim, repeats=options.repeats, limit=options.limit, show=_show)
    return report | {"table": gpu_table(report)}


_PARTS = {"speed": _speed, "peers": _peers, "gpu": _gpu}


def _rows(options: argparse.Namespace, loaded: Loaded) -> list[Example]:
    if options.corpus:
        return real_rows(options.corpus, loaded.tokenizer, options.rows, options.max_tokens)
    return generated_rows(loaded.model.config.vocab_size, options.rows, options.max_tokens)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=tuple(_PARTS), nargs="?", default="speed")
    parser.add_argument("--model", default=None, help="directory or hub id; the embedded proxy unless given")
    parser.add_argument("--corpus", default=None, help="file of real rows; generated ones unless given")
    parser.add_argument("--out", default=None, help="JSON file; gradients-PART.json unless given")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: what torch takes by itself")
    parser.add_argument("--rows", type=int, default=24, help="rows that are timed")
    parser.add_argument("--subjects", nargs="*", help="which of the timed things; plain and engine always")
    parser.add_argument("--peers", nargs="*", help="which libraries; all unless given")
    parser.add_argument("--peak-rows", type=int, default=8, help="rows of the batch whose memory is taken; 0 for none")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--token-budget", type=int, default=2048)
    parser.add_argument("--dim", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--limit", type=float, default=280, help="seconds that the GPU part may take, about")
    parser.add_argument("--tiny", action="store_true", help="the GPU part with a toy model, on a processor if need be")
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
