"""Time greedy for a target: ours in the target's span, the same in all dimensions, and activeft's VTL from PyPI.

    python -m benchmarks.selection.targeted                      (10⁴ × 512, k = 500, all of them)
    python -m benchmarks.selection.targeted --size 100000 4096 10000 --peers ours

Rows are `unit` (see generators.py): the last 64 are the target, the others the pool. The clock starts with the matrix
in memory and stops with the picks known. The share of the target that the picks explain is taken in all dimensions.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.selection.environments import RUNNERS, cache_folder, interpreter, peer
from benchmarks.selection.generators import saved

import spice_select.selection as spice
from spice_select.diagnosis.explained import shares_explained

TARGET = 64
HERE = Path(__file__).parent


def ours(path: Path, k: int) -> list[int]:
    """`TargetInformation`, as `spice select --target` has it."""
    pool, target = _parted(np.load(path))
    return spice.greedy(pool, k, objective=spice.TargetInformation(target=target)).indices.tolist()


def whole(path: Path, k: int) -> list[int]:
    """`TargetVariance` of the same rows: every pick costs 2nd flops and more."""
    pool, target = _parted(np.load(path))
    return spice.greedy(pool, k, objective=spice.TargetVariance(target=target)).indices.tolist()


def _parted(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return matrix[:-TARGET], matrix[-TARGET:]


def vtl(path: Path, k: int) -> list[int]:
    """activeft's VTL with noise σ = 1, in an environment of its own; its start is not counted."""
    needed = replace(peer("activeft"), runner="activeft_vtl.py")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [str(interpreter(needed)), str(RUNNERS / needed.runner), str(path), str(k), "1.0", str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        result = json.loads(out.read_text())
    vtl.seconds = result["seconds"][0]  # type: ignore[attr-defined]
    picks: list[int] = result["picks"]
    return picks


PEERS: dict[str, Callable[[Path, int], list[int]]] = {"ours": ours, "all dimensions": whole, "activeft VTL": vtl}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs=3, type=int, default=(10_000, 512, 500), metavar=("N", "D", "K"))
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=list(PEERS))
    options = parser.parse_args()
    n, d, k = options.size
    path = saved(cache_folder() / "data", "unit", n + TARGET, d)
    results = HERE / "targeted.json"
    records: list[dict[str, Any]] = json.loads(results.read_text()) if results.exists() else []
    for name in options.peers:
        started, busy = time.perf_counter(), time.process_time()
        picks = PEERS[name](path, k)
        seconds = getattr(PEERS[name], "seconds", time.perf_counter() - started)
        record = {"peer": name, "n": n, "d": d, "k": k, "target": TARGET, "seconds": round(seconds, 3)}
        record |= {"cpu_seconds": round(time.process_time() - busy, 3), "load": round(os.getloadavg()[0], 1)}
        pool, target = _parted(np.load(path, mmap_mode="r"))
        (reached,) = shares_explained(
            pool[np.unique(picks)], _All(len(set(picks))), target, [""] * TARGET, alpha=1.0, draws=2
        )
        record |= {"explained": round(reached.share, 4), "distinct": len(set(picks))}
        records = [r for r in records if (r["peer"], r["n"], r["d"], r["k"]) != (name, n, d, k)] + [record]
        results.write_text(json.dumps(records, indent=1) + "\n")
        print(record, flush=True)


class _All:
    """Every row."""

    def __init__(self, rows: int) -> None:
        self.indices = np.arange(rows)


if __name__ == "__main__":
    main()
