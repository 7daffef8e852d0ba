"""Runs one peer on one case in its own process, under a time limit, and records what came of it."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from benchmarks.selection.cases import Case
from benchmarks.selection.environments import RUNNERS, cache_folder, interpreter, peer
from benchmarks.selection.generators import saved

GEMM_WIDTH = 128


def gemm_rate(d: int, threads: int, seconds: float = 0.5) -> float:
    """float32 flop/s of 1024-row tiles of [1024, d] times [d, 128]: what the blocked refresh could reach at best.

    Measured in this process, which must have been started with OMP_NUM_THREADS=`threads` for it to count.
    """
    if os.environ.get("OMP_NUM_THREADS") != str(threads):
        raise RuntimeError(f"start with OMP_NUM_THREADS={threads}: the limit must be measured on as many threads")
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((16 * 1024, d), dtype=np.float32)
    block = rng.standard_normal((d, GEMM_WIDTH), dtype=np.float32)
    clock = time.process_time if threads == 1 else time.perf_counter
    best, until = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = clock()
        for start in range(0, len(matrix), 1024):
            matrix[start : start + 1024] @ block
        best = max(best, 2 * matrix.shape[0] * d * GEMM_WIDTH / (clock() - started))
    return best


def information(path: Path, picks: list[int]) -> float:
    """log det(I + F) of the picks, float64: what the peer's set is worth, whatever it reports."""
    rows = np.load(path, mmap_mode="r")[np.array(picks)].astype(np.float64)
    gram = rows @ rows.T if len(rows) < rows.shape[1] else rows.T @ rows
    return float(np.linalg.slogdet(np.eye(len(gram)) + gram)[1])


def measure(case: Case, name: str, *, timeout: float, threads: int, repeats: int) -> dict[str, object]:
    """One record: `seconds` (the best), `all_seconds`, `extra_mb`, `information`, or `timeout` or `error`."""
    which = peer(name)
    path = saved(cache_folder() / "data", case.kind, case.n, case.d)
    record: dict[str, object] = {**case.as_record(), "peer": name, "title": which.title, "threads": threads}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [str(interpreter(which)), str(RUNNERS / which.runner), str(path), str(case.k), "1.0", str(out)]
        command += [*which.arguments, "--repeats", str(repeats)]
        if case.weight:
            command += ["--weight", str(case.weight)]
        environment = os.environ | {
            f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")
        }
        try:
            done = subprocess.run(command, timeout=timeout, capture_output=True, text=True, env=environment)
        except subprocess.TimeoutExpired:
            return record | {"timeout": timeout}
        if done.returncode:
            return record | {"error": done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]}
        result = json.loads(out.read_text())
    picks = result.pop("picks")
    times, busy = result.pop("seconds"), result.pop("cpu_seconds")
    return record | {
        "seconds": min(times),
        "cpu_seconds": min(busy),
        "all_seconds": times,
        "extra_mb": result.pop("extra_bytes") / 1e6,
        "information": information(path, picks),
        "picks": picks,
        **result,
    }
