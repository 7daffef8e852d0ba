"""How far a sketch can be trusted: exact against sketched inner products on a few rows of the corpus itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spice_select.data.records import Sample
from spice_select.errors import InputError
from spice_select.gradients.hooks import HookEngine
from spice_select.gradients.memory import features_within_memory
from spice_select.progress import Progress
from spice_select.sketch import Identity, ParameterBlock, Projection

_COLUMNS = 1 << 16
"""Coordinates that are held in float64 at once while a Gram matrix is summed."""
_GRAM_ELEMENTS = 1 << 26
"""Gradient numbers of all rows that are formed at once while a Gram matrix is summed layer by layer: 256 MiB."""
_EXACT_BYTES = 4 << 30
"""Whole gradients of a probe that are held at once."""
NOISE_LIMIT = 0.5
"""Largest ratio of cosine error to the spread of the exact cosines that passes without a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """Exact against sketched geometry on a probe set; all figures are over its pairs of different rows.

    Rows whose gradient is zero have no length to be off by, and no cosine: they are no part of it.

    Attributes:
        sketch: name of the sketch.
        dim: its length.
        rows: rows of the probe set that have a gradient.
        relative_error: root mean square of ⟨Sx, Sy⟩ − ⟨x, y⟩ over the root mean square of ⟨x, y⟩; None where all ⟨x, y⟩
            are zero.
        norm_error: root mean square of ‖Sx‖/‖x‖ − 1, over rows.
        cosine_error: root mean square of the sketched minus the exact cosine.
        cosine_spread: root mean square of the exact cosine.
        sign_flips: share of pairs whose cosine changes sign.
        mean_sign_flips: share of rows whose cosine with the mean of the other rows changes sign: what the conflict
            penalty reads.
        warning: one sentence with the cure where the sketch is too short, else "".
    """

    sketch: str
    dim: int
    rows: int
    relative_error: float | None
    norm_error: float
    cosine_error: float
    cosine_spread: float
    sign_flips: float
    mean_sign_flips: float
    warning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Which rows a sketch is judged on.

    Attributes:
        rows: how many, drawn at random; fewer where there are not so many.
        seed: of the draw.
        together: rows in a batch, of like lengths; their whole gradients are there twice until all are joined.
        batch_tokens: tokens in the one batch that is judged where whole gradients would not fit.
    """

    rows: int
    seed: int
    together: int = 1
    batch_tokens: int


def judge_sketch(
    engine: HookEngine,
    model: nn.Module,
    examples: Sequence[Sample],
    features: NDArray[np.float32],
    probe: Probe,
    progress: Progress,
) -> Fidelity | None:
    """Exact against sketched inner products of a few rows whose sketches are known: one pass over them.

    Where their whole gradients would take more than 4 GiB, as many of them as fill one batch are compared.

    Args:
        engine: whose sketch is judged.
        model: whose gradients, in the state that the sketches are of.
        examples: the rows to draw from.
        features: their sketched gradients ``[n, d]``.
        probe: which of them.
        progress: told the rows done.

    Returns:
        The figures; None for fewer than two rows with a gradient, which have no inner product.
    """
    if len(examples) < 2:
        return None
    size = min(len(examples), probe.rows)
    drawn = np.random.default_rng(probe.seed).choice(len(examples), size, replace=False)
    if 4 * size * engine.parameters.coverage(model).num_parameters > _EXACT_BYTES:
        kept = _in_one_batch(drawn.tolist(), examples, probe.batch_tokens)
        with progress.task(_TASK, len(kept), "rows") as advance:
            true = exact_gram(engine, model, [examples[index] for index in kept])
            advance(len(kept))
        return _judged(true, inner_products(features[kept]), engine.sketch.name, features.shape[1])
    if probe.together > 1:
        drawn = np.array(sorted(drawn, key=lambda index: examples[index].padded_tokens))
    exact, gradients = exact_twin(engine), []
    with progress.task(_TASK, size, "rows") as advance:
        for start in range(0, size, probe.together):
            batch = [examples[index] for index in drawn[start : start + probe.together]]
            gradients.append(features_within_memory(exact, model, batch).features)
            advance(len(batch))
    true = inner_products(np.concatenate(gradients))
    return _judged(true, inner_products(features[drawn]), engine.sketch.name, features.shape[1])


def _judged(true: NDArray[np.float64], estimate: NDArray[np.float64], sketch: str, dim: int) -> Fidelity | None:
    return None if np.count_nonzero(np.diag(true)) < 2 else compare_grams(true, estimate, sketch=sketch, dim=dim)


_TASK = "Checking the sketch"


def _in_one_batch(drawn: Sequence[int], examples: Sequence[Sample], batch_tokens: int) -> list[int]:
    """The first two, and of the others those that still fit."""
    kept = list(drawn[:2])
    for index in drawn[2:]:
        longest = max(examples[i].padded_tokens for i in [*kept, index])
        if longest * (len(kept) + 1) <= batch_tokens:
            kept.append(index)
    return kept


def measure_fidelity(
    engine: HookEngine, model: nn.Module, examples: Sequence[Sample], *, batch_size: int = 4
) -> Fidelity:
    """Compute exact and sketched gradients of the probe rows and compare them.

    Cost: two passes over the probe, and ``4 · rows · parameters`` bytes for the exact gradients (0.6 GB for 64 rows of
    a 135M model's LoRA at rank 16).

    Args:
        engine: whose sketch is judged.
        model: whose gradients.
        examples: the probe, two rows or more; a few dozen drawn at random from the corpus will do.
        batch_size: rows in each forward pass.

    Raises:
        InputError: fewer than two rows with a finite gradient that is not zero.
    """
    gradients = exact_gradients(engine, model, examples, batch_size=batch_size)
    batches = [examples[start : start + batch_size] for start in range(0, len(examples), batch_size)]
    sketched = np.concatenate([engine.features(model, batch).features for batch in batches])
    finite = np.isfinite(gradients).all(axis=1) & np.isfinite(sketched).all(axis=1)
    return compare(gradients[finite], sketched[finite], sketch=engine.sketch.name)


def exact_gradients(
    engine: HookEngine, model: nn.Module, examples: Sequence[Sample], *, batch_size: int = 4
) -> NDArray[np.float32]:
    """The gradients that an engine sketches, whole: float32 ``[rows, parameters]``; one pass over the rows."""
    exact = exact_twin(engine)
    batches = [examples[start : start + batch_size] for start in range(0, len(examples), batch_size)]
    return np.concatenate([exact.features(model, batch).features for batch in batches])


def exact_twin(engine: HookEngine) -> HookEngine:
    """An engine for the same gradients, not sketched.

    Keep it where rows come one by one: an engine's first batch looks at the whole model, which takes longer than a row.
    """
    return engine.sketching(Identity())


def exact_gram(engine: HookEngine, model: nn.Module, examples: Sequence[Sample]) -> NDArray[np.float64]:
    """Inner products of the rows' whole gradients, float64 ``[n, n]``, from one batch of them all.

    No gradient is kept: each layer adds its share and is forgotten. So it serves where ``rows · parameters`` numbers
    would not fit in memory; the rows' activations must, as for any batch. One pass, plus ``n · tokens · parameters``.
    """
    summing = engine.sketching(_Gram(len(examples)))
    return summing.features(model, examples).features.astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Gram:
    """Takes the place of a sketch: a row's "features" are its inner products with all rows of the batch."""

    rows: int
    seed: int = 0
    name: str = "gram"

    def bind(self, blocks: Sequence[ParameterBlock]) -> Projection:
        return _GramProjection(self.rows)


class _GramProjection(Projection):
    takes_factors = True

    def add(self, features: Tensor, block: ParameterBlock, gradients: Tensor) -> None:
        flat = gradients.reshape(len(gradients), block.size)
        features += flat @ flat.T

    def add_factors(self, features: Tensor, block: ParameterBlock, left: Tensor, right: Tensor) -> None:
        step = max(1, _GRAM_ELEMENTS // (len(left) * block.shape[1]))
        for start in range(0, block.shape[0], step):
            stretch = left[:, :, start : start + step].float()
            values = torch.bmm(stretch.transpose(1, 2), right.float()).flatten(1)
            features += values @ values.T


def compare(exact: NDArray[np.float32], sketched: NDArray[np.float32], *, sketch: str) -> Fidelity:
    """The figures for gradients ``[rows, parameters]`` and their sketches ``[rows, dim]``.

    Raises:
        InputError: as `compare_grams`.
    """
    return compare_grams(inner_products(exact), inner_products(sketched), sketch=sketch, dim=sketched.shape[1])


def compare_grams(true: NDArray[np.float64], estimate: NDArray[np.float64], *, sketch: str, dim: int) -> Fidelity:
    """The figures for two Gram matrices ``[rows, rows]`` of the same rows, exact and sketched.

    Raises:
        InputError: fewer than two rows have a gradient.
    """
    there = np.flatnonzero(np.diag(true))
    if len(there) < 2:
        raise InputError(f"a probe of {len(there)} rows with a finite gradient that is not zero: give at least two")
    true, estimate = (inner[np.ix_(there, there)] for inner in (true, estimate))
    pairs = np.triu_indices(len(true), 1)
    cosines, estimates = _cosines(true)[pairs], _cosines(estimate)[pairs]
    error, spread = _rms(estimates - cosines), _rms(cosines)
    size = _rms(true[pairs])
    flips = float(np.mean(np.sign(cosines) != np.sign(estimates)))
    return Fidelity(
        sketch=sketch,
        dim=dim,
        rows=len(true),
        relative_error=_rms((estimate - true)[pairs]) / size if size else None,
        norm_error=_rms(np.sqrt(np.diag(estimate) / np.diag(true)) - 1),
        cosine_error=error,
        cosine_spread=spread,
        sign_flips=flips,
        mean_sign_flips=float(np.mean(_signs_with_mean(true) != _signs_with_mean(estimate))),
        warning=_warning(sketch, dim, error, spread, flips),
    )


def inner_products(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Inner products of all rows, float64 ``[n, n]``, summed a stretch of coordinates at a time."""
    total = np.zeros((len(vectors), len(vectors)))
    for start in range(0, vectors.shape[1], _COLUMNS):
        stretch = vectors[:, start : start + _COLUMNS].astype(np.float64)
        total += stretch @ stretch.T
    return total


def _cosines(inner: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.sqrt(np.diag(inner))
    return inner / np.maximum(np.outer(norms, norms), np.finfo(np.float64).tiny)


def _signs_with_mean(inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sign of each row's inner product with the sum of the others."""
    return np.sign(inner.sum(axis=1) - np.diag(inner))


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _warning(sketch: str, dim: int, error: float, spread: float, flips: float) -> str:
    """The noise of a cosine falls as 1/√dim; the length that would meet the limit follows from that."""
    if error <= NOISE_LIMIT * spread:
        return ""
    needed = 2 ** int(np.ceil(np.log2(dim * (error / (NOISE_LIMIT * max(spread, 1e-12))) ** 2)))
    return (
        f"{sketch} is too short for the conflict penalty to be trusted: its cosines are off by {error:.3f} where the "
        f"exact ones are {spread:.3f} in size, and {flips:.0%} change sign; try --sketch-dim {needed}"
    )
