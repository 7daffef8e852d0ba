"""The contract of a gradient engine, as a suite for yours: `check_engine` raises AssertionError with what is broken."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from spice_select.data.records import Example
from spice_select.gradients import Engine
from spice_select.testing.models import VOCABULARY, tiny_model


def sample_example(row: int, length: int, supervised: int, seed: int = 0) -> Example:
    """An example of random tokens of the tiny models, `supervised` of them trained on."""
    draw = np.random.default_rng([seed, row, length])
    mask = np.zeros(length, dtype=bool)
    mask[draw.choice(np.arange(1, length), supervised, replace=False)] = True
    ids = draw.integers(0, VOCABULARY, length).astype(np.int32)
    return Example(row=row, input_ids=ids, supervised=mask, source="", content_hash="")


def sample_batch(seed: int = 0) -> list[Example]:
    """Lengths 2 to 20, from one supervised token to all of them."""
    shapes = [(12, 5), (3, 1), (20, 19), (7, 2), (2, 1)]
    return [sample_example(row, length, supervised, seed) for row, (length, supervised) in enumerate(shapes)]


def check_engine(engine: Engine, oracle: Engine, model: nn.Module | None = None, *, rtol: float = 2e-5) -> None:
    """Try to refute what `Engine` promises: the oracle's numbers, the same alone and in company, in any order.

    Args:
        engine: to be tested.
        oracle: one row at a time by plain autograd, on the same parameters, sketch and loss: `LoopEngine`.
        model: by default a tiny Llama.
        rtol: largest difference allowed, relative to the largest number of a batch.

    Raises:
        AssertionError: with the promise that is broken.
    """
    model, batch = model or tiny_model("llama"), sample_batch()
    together = engine.features(model, batch)
    slow = oracle.features(model, batch)
    for name in ("features", "losses", "norms"):
        _close(getattr(together, name), getattr(slow, name), rtol, f"{name} are not the oracle's")
    order = [3, 0, 4, 2, 1]
    shuffled = engine.features(model, [batch[position] for position in order])
    _close(shuffled.features, together.features[order], rtol, "the order of a batch changes its features")
    _check_alone(engine, model, batch, together.features, rtol)
    frozen = [parameter.requires_grad for parameter in model.parameters()]
    assert not any(frozen), "the model is not left as it was: parameters require gradients"


def _check_alone(engine: Engine, model: nn.Module, batch: Sequence[Example], together: np.ndarray, rtol: float) -> None:
    for row, one in enumerate(batch):
        alone = engine.features(model, [one]).features[0]
        _close(alone, together[row], rtol, f"row {row} alone has other features than in company")


def _close(found: np.ndarray, due: np.ndarray, rtol: float, fault: str) -> None:
    worst, scale = float(np.abs(found - due).max()), float(np.abs(due).max())
    assert worst <= rtol * scale + 1e-9, f"{fault}: off by {worst:.3g} of {scale:.3g}"
