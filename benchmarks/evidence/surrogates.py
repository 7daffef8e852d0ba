"""Numbers known of a subset before anything is tuned on it, which may tell how good the tuned model will be."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from benchmarks.evidence.features import known
from benchmarks.evidence.tuning import Encodings
from numpy.typing import NDArray

from spice_select.comparison.records import ArmRun
from spice_select.features.normalise import normalised
from spice_select.selection import LogDet, TargetVariance


def measured(bed: Path, records: Sequence[ArmRun], encodings: Encodings) -> dict[str, dict[int, float]]:
    """Name → the draw's seed → the number, of every random subset of a bed whose gradients were computed."""
    pool = encodings.examples(bed / "pool.jsonl")
    block = known(bed, "pool-gradients", pool, pool, feature="gradients", dtype="bfloat16", last_blocks=15)
    unit = normalised(block.features, "unit").astype(np.float64)
    mean, whole = unit.mean(axis=0), float((unit**2).sum())
    raw = block.features.astype(np.float64)
    pull = raw.mean(axis=0)
    numbers: dict[str, Callable[[NDArray[np.int64]], float]] = {
        "log det": lambda rows: LogDet().value(unit, rows),
        "explained share of the pool": lambda rows: TargetVariance().value(unit, rows) / whole,
        "cosine with the pool's mean": lambda rows: _cosine(unit[rows].sum(axis=0), mean),
        "predicted decrease": lambda rows: _decrease(raw[rows], block.supervised[rows], pull, raw),
        "mean row loss": lambda rows: float(block.losses[rows].mean()),
        "rows": lambda rows: float(len(rows)),
    }
    drawn = {record.seed: np.array(record.selection.rows) for record in records if record.arm == "random"}
    return {name: {seed: number(rows) for seed, rows in drawn.items()} for name, number in numbers.items()}


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def _decrease(
    rows: NDArray[np.float64], tokens: NDArray[np.int64], pull: NDArray[np.float64], pool: NDArray[np.float64]
) -> float:
    """η⟨b, μ⟩ − ½η² bᵀHb at its own best η: ½⟨b, μ⟩²/bᵀHb, b the step of a trainer whose loss is a mean over tokens.

    H is the mean of the pool's g gᵀ. Negative where the step points away from μ.
    """
    step = (tokens[:, None] * rows).sum(axis=0) / tokens.sum()
    along = float(step @ pull)
    bent = float(((pool @ step) ** 2).mean())
    return 0.5 * along * abs(along) / bent
