"""What precision and company do to the features of a model, and how much of it rounding explains.

The bound is derived on the model itself, in the precision that it is held in; nothing is tuned. The batch is computed
again with an error behind every operation, forwards and backwards, at least as large as rounding makes:

- each result y becomes y·(1 + 2uξ), ξ uniform in [−1, 1], u the unit roundoff: twice what rounding to the nearest does
  at most, so a draw is longer than the difference of two computations, of which each has errors of its own;
- a product of matrices gets √K·u₃₂·(|A||B|)·ξ on top: what a sum of K terms in float32 is off in any order (Higham and
  Mary 2019), for products are accumulated in float32 whatever their factors are held in.

How far that moves the rows' features is how far rounding may move them: a deviation is the sum of thousands of
independent errors, so its length hardly varies between draws. Where a model is not continuous (a token may go to
another expert) the draw finds that out, too, and the bound is wide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from spice_select.data.records import Sample
from spice_select.gradients.hooks import HookEngine
from spice_select.models.precision import DTYPES, cpu_multiplies_bfloat16

UNIT = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
"""Unit roundoff: the largest relative error of rounding to the nearest."""
_PRODUCTS = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2)}
"""Which arguments of an operation are its factors."""
_AT_MOST = 1 << 30
"""Largest model, in weights, that is turned into another precision for a check: 4 GiB of float32."""
_EMULATED = 1 << 27
"""Weights times tokens that a processor without bfloat16 units is asked for: some 10⁹ operations, seconds."""


class Rounding(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types there
    """Within it every floating-point operation has an error on top of its own.

    Args:
        units: largest relative error by the precision of a result; results of other precisions are left alone.
        seed: of the errors.
    """

    def __init__(self, units: Mapping[torch.dtype, float], seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._units, self._seed = units, seed
        self._draws: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation's result, changed in place."""
        found = function(*args, **(kwargs or {}))
        if function.is_view:
            return found
        for value in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(value, Tensor) and value.dtype in self._units and value.numel():
                value.add_(self._error(function, args, value))
        return found

    def _error(self, function: Any, args: Any, value: Tensor) -> Tensor:
        size = self._units[value.dtype] * value.abs()
        places = _PRODUCTS.get(function.overloadpacket.__name__)
        if places is not None:
            left, right = (args[place].abs() for place in places)
            size += left.shape[-1] ** 0.5 * UNIT[torch.float32] * (left @ right)
        size.masked_fill_(value.abs() >= 0.5 * torch.finfo(value.dtype).max, 0.0)  # masks: −∞, or the least number
        drawn = torch.empty_like(size).uniform_(-1.0, 1.0, generator=self._draw(value.device))
        return size.mul_(drawn)

    def _draw(self, device: torch.device) -> torch.Generator:
        if device not in self._draws:
            self._draws[device] = torch.Generator(device).manual_seed(self._seed)
        return self._draws[device]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far rows' features are from what they are held against, as shares of its length.

    Attributes:
        median: over the rows.
        largest: of the rows.
    """

    median: float
    largest: float


def moved(reference: NDArray[np.float32], other: NDArray[np.float32]) -> Shift:
    """Compare features ``[n, d]`` row by row."""
    lengths = np.maximum(np.linalg.norm(reference, axis=1), np.finfo(np.float32).tiny)
    distances = np.linalg.norm(other - reference, axis=1) / lengths
    return Shift(median=float(np.median(distances)), largest=float(distances.max()))


def rounding_reach(
    engine: HookEngine, model: nn.Module, examples: Sequence[Sample], features: NDArray[np.float32], *, seed: int = 0
) -> float:
    """The farthest that rounding may move a row's feature between two computations of it, as a share of its length.

    Args:
        engine: how gradients are taken.
        model: in the precision that is asked about.
        examples: the rows, which make one batch.
        features: of that batch, as the engine computes them.
        seed: of the draw.

    Cost: about three passes over the batch.
    """
    with Rounding({dtype: 2.0 * unit for dtype, unit in UNIT.items()}, seed):
        drawn = engine.features(model, examples)
    return moved(features, drawn.features).largest


def other_precision(dtype: str) -> str:
    """What a precision is held against: bfloat16 against float32, and halves against that."""
    return "bfloat16" if dtype == "float32" else "float32"


def too_dear(model: nn.Module, examples: Sequence[Sample], dtype: str) -> str:
    """Why the model should not be tried in another precision here; "" where it may."""
    weights = sum(weight.numel() for weight in model.parameters())
    if weights > _AT_MOST:
        return f"{weights:,} weights are too many to hold in a second precision for a check"
    first = next(model.parameters())
    work = weights * sum(example.num_tokens for example in examples)
    if dtype == "bfloat16" and first.device.type == "cpu" and not cpu_multiplies_bfloat16() and work > _EMULATED:
        return "this processor has no units for bfloat16 and would emulate it"
    return ""


def turn(model: nn.Module, dtype: str) -> None:
    """Hold a model's weights in another precision, in place: hooks, ties and what an engine knows of it stay.

    Buffers keep theirs, as where a model is loaded in that precision: rotations are float32 there.
    """
    held = next(model.parameters()).dtype
    for weight in model.parameters():
        if weight.dtype == held:
            weight.data = weight.data.to(DTYPES[dtype])
