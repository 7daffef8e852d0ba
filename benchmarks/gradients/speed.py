"""Seconds of each subject on the same batches, in one run, and the ratios that matter."""

import multiprocessing
import resource
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from torch import nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.sketch import SparseJL

from .subjects import Subject, TimedSketch, subjects

PEAK_SUBJECTS = ("plain", "engine", "last-layer", "full-weights")
CLOCKS: dict[str, Callable[[], float]] = {"wall": perf_counter, "cpu": process_time}
"""On one thread, processor time is what the wall shows on a quiet machine. On a GPU only the wall means anything."""


def measure_speed(
    model: nn.Module,
    examples: Sequence[Example],
    *,
    token_budget: int,
    dim: int,
    repeats: int,
    names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Seconds of each subject, and their ratios.

    Subjects take turns batch by batch, so that other work on the machine meets all of them alike. Seconds are the best
    of the repeats, ratios the median over repeats.
    """
    plan = plan_batches([e.num_tokens for e in examples], token_budget=token_budget)
    batches = [[examples[i] for i in batch] for batch in plan]
    sketch = TimedSketch(SparseJL(dim))
    tried = subjects(dim, sketch)
    if names:
        tried = {name: subject for name, subject in tried.items() if name in {"plain", "engine", *names}}
    for subject in tried.values():  # operators are drawn, memory is mapped
        subject(model, batches[-1][:1])
    sketch.seconds = 0.0
    passes = [_one_pass(tried, model, batches) for _ in range(repeats)]
    over_plain = {
        clock: {name: median(p[clock][name] / p[clock]["plain"] for p in passes) for name in tried} for clock in CLOCKS
    }
    return {
        "rows": len(examples),
        "tokens": sum(e.num_tokens for e in examples),
        "supervised": sum(e.num_supervised for e in examples),
        "padded": sum(len(b) * max(e.num_tokens for e in b) for b in batches),
        "batches": len(batches),
        "threads": torch.get_num_threads(),
        "seconds": {clock: {name: min(p[clock][name] for p in passes) for name in tried} for clock in CLOCKS},
        "over_plain": over_plain,
        "loop_over_engine": {clock: r["loop"] / r["engine"] for clock, r in over_plain.items() if "loop" in r},
        "sketch_share": sketch.seconds / sum(p["wall"]["engine"] for p in passes),
    }


def _one_pass(
    tried: dict[str, Subject], model: nn.Module, batches: Sequence[Sequence[Example]]
) -> dict[str, dict[str, float]]:
    """Seconds by clock and subject, every batch given to each subject in turn."""
    spent = {clock: dict.fromkeys(tried, 0.0) for clock in CLOCKS}
    synchronise = torch.cuda.synchronize if next(model.parameters()).is_cuda else lambda: None
    for batch in batches:
        for name, subject in tried.items():
            synchronise()
            start = {clock: read() for clock, read in CLOCKS.items()}
            subject(model, batch)
            synchronise()
            for clock, read in CLOCKS.items():
                spent[clock][name] += read() - start[clock]
    return spent


def measure_peak(model_name: str | None, examples: Sequence[Example], dim: int) -> dict[str, Any]:
    """Peak memory above the loaded model, MiB, of one pass over one batch, each subject in a process of its own."""
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for name in PEAK_SUBJECTS:
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
