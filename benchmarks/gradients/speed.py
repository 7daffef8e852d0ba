"""Seconds of each subject on the same batches, in one run, and the ratios that matter."""

import multiprocessing
import resource
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import torch
from torch import nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.sketch import SparseJL

from .subjects import TimedSketch, subjects


def measure_speed(
    model: nn.Module, examples: Sequence[Example], *, token_budget: int, dim: int, repeats: int
) -> dict[str, Any]:
    """Best of `repeats` passes of each subject, taken in turn so that a change in the machine's load meets all."""
    plan = plan_batches([e.num_tokens for e in examples], token_budget=token_budget)
    batches = [[examples[i] for i in batch] for batch in plan]
    sketch = TimedSketch(SparseJL(dim))
    tried = subjects(dim, sketch)
    for subject in tried.values():  # operators are drawn, memory is mapped
        subject(model, batches[-1][:1])
    best = dict.fromkeys(tried, float("inf"))
    share = 1.0
    for _ in range(repeats):
        for name, subject in tried.items():
            sketch.seconds = 0.0
            start = perf_counter()
            for batch in batches:
                subject(model, batch)
            if next(model.parameters()).is_cuda:
                torch.cuda.synchronize()
            seconds = perf_counter() - start
            if name == "engine" and seconds < best[name]:
                share = sketch.seconds / seconds
            best[name] = min(best[name], seconds)
    return {
        "rows": len(examples),
        "tokens": sum(e.num_tokens for e in examples),
        "supervised": sum(e.num_supervised for e in examples),
        "padded": sum(len(b) * max(e.num_tokens for e in b) for b in batches),
        "batches": len(batches),
        "threads": torch.get_num_threads(),
        "seconds": best,
        "over_plain": {name: seconds / best["plain"] for name, seconds in best.items()},
        "loop_over_engine": best["loop"] / best["engine"],
        "sketch_share": share,
    }


def measure_peak(model_name: str | None, examples: Sequence[Example], dim: int) -> dict[str, Any]:
    """Peak memory above the loaded model, MiB, of one pass over one batch, each subject in a process of its own."""
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for name in ("plain", "engine", "last-layer", "full-weights"):
        with context.Pool(1) as pool:
            peaks[name] = pool.apply(_peak, (name, model_name, list(examples), dim))
    return {
        "tokens": len(examples) * max(e.num_tokens for e in examples),
        "mib": peaks,
        "over_plain": {name: peak / peaks["plain"] for name, peak in peaks.items()},
    }


def _peak(name: str, model_name: str | None, examples: list[Example], dim: int) -> float:
    from spice_select.models import load_model

    model = load_model(model_name, dtype="float32", device="cpu").model
    subject = subjects(dim, SparseJL(dim))[name]
    touched = sum(float(p.sum()) for p in model.parameters())  # the weights are mapped lazily
    assert touched == touched
    subject(model, examples[:1])
    before = _resident()
    _reset_peak()
    subject(model, examples)
    return _peak_resident() - before


def _status(field: str) -> float:
    with open("/proc/self/status", encoding="ascii") as stream:
        return next(float(line.split()[1]) / 1024 for line in stream if line.startswith(field))


def _resident() -> float:
    return _status("VmRSS")


def _peak_resident() -> float:
    try:
        return _status("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _reset_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
        stream.write("5")
