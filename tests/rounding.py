"""How far rounding alone may move a result: the bounds that laws about models are held to, in any precision.

No tolerance is tuned. The same weights are taken to float64, and there the computation is repeated with an error of its
own behind every operation, forwards and backwards, as large as the precision's unit roundoff u allows:

- each result y becomes y·(1 + uξ) with ξ uniform in [−1, 1], as rounding to the nearest makes it;
- a product of matrices gets √K·u₃₂·(|A||B|)·ξ on top: what a sum of K terms in float32 is off in any order (Higham and
  Mary 2019), for products are accumulated in float32 whatever their factors are held in.

What comes of it is a draw of the deviation that rounding makes in a row's feature. `MARGIN` times the largest of
`DRAWS` draws bounds another one: a deviation is the sum of thousands of independent errors, so its length hardly
varies.

The bound is wide where a model is not continuous: rounding may send a token to another expert, in a draw as in truth.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from spice_select.data.records import Example
from spice_select.gradients import HookEngine, LoopEngine
from spice_select.gradients.base import BatchGradients

UNIT = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
"""Unit roundoff: the largest relative error of rounding to the nearest."""
DRAWS = 4
MARGIN = 2.0
_PRODUCTS = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2)}


class Rounding(TorchDispatchMode):
    """Within it every operation in float64 has the error that it would have in another precision."""

    def __init__(self, unit: float, seed: int) -> None:
        super().__init__()
        self._unit, self._draw = unit, torch.Generator().manual_seed(seed)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = function(*args, **(kwargs or {}))
        if function.is_view:
            return found
        for value in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(value, Tensor) and value.dtype in (torch.float64, torch.float32) and value.numel():
                value.add_(self._error(function, args, value))
        return found

    def _error(self, function: Any, args: Any, value: Tensor) -> Tensor:
        size = (self._unit if value.dtype == torch.float64 else UNIT[torch.float32]) * value.abs()
        places = _PRODUCTS.get(function.overloadpacket.__name__)
        if places is not None:
            left, right = (args[place].abs() for place in places)
            size += left.shape[-1] ** 0.5 * UNIT[torch.float32] * (left @ right)
        size[~(size < 1e30)] = 0.0  # masks
        return size.mul_(torch.rand(value.shape, generator=self._draw, dtype=value.dtype).mul_(2.0).sub_(1.0))


class Reach:
    """Where rounding may bring the gradients of a batch, in the precision that a model is held in.

    The truth is the loop in float64; the draws are made with the hooks, whose operations are those of the loop.

    Attributes:
        exact: features, losses and norms of the same weights in float64.
        features, losses, norms: for each row, how far rounding may move it: a length, and two absolute differences.
    """

    def __init__(self, model: nn.Module, engine: HookEngine, batch: Sequence[Example]) -> None:
        unit, wide = UNIT[next(model.parameters()).dtype], _widened(model)
        loop = LoopEngine(engine.parameters, engine.sketch, engine.loss, engine.preconditioner)
        self.exact = loop.features(wide, batch)
        hooks = HookEngine(engine.parameters, engine.sketch, engine.loss, engine.preconditioner)
        plain, draws = hooks.features(wide, batch), []
        for seed in range(DRAWS):
            with Rounding(unit, seed):
                draws.append(hooks.features(wide, batch))
        self.features = MARGIN * np.max([_lengths(draw.features - plain.features) for draw in draws], axis=0)
        self.losses = _scalar_bound([draw.losses for draw in draws], plain.losses)
        self.norms = _scalar_bound([draw.norms for draw in draws], plain.norms)

    @property
    def share(self) -> float:
        """The farthest that a row's feature may be moved, as a share of its length."""
        return float((self.features / _lengths(self.exact.features)).max())

    def check(self, found: BatchGradients, rows: Sequence[int] | None = None) -> None:
        """Assert that what was found for these rows (all, if none are named) is the truth to within rounding."""
        where = list(range(len(self.losses)) if rows is None else rows)
        moved = {
            "features": _lengths(found.features - self.exact.features[where]),
            "losses": np.abs(found.losses - self.exact.losses[where]),
            "norms": np.abs(found.norms - self.exact.norms[where]),
        }
        for name, distance in moved.items():
            np.testing.assert_array_less(distance, getattr(self, name)[where] + 1e-300, err_msg=name)


def _widened(model: nn.Module) -> nn.Module:
    """The same weights in float64."""
    wide = deepcopy(model).double()
    if hasattr(wide, "config"):
        wide.config._experts_implementation = "eager"  # the other one knows no float64
    return wide


def _scalar_bound(draws: list[NDArray[np.float64]], plain: NDArray[np.float64]) -> NDArray[np.float64]:
    """A single number's draws vary much more than a long vector's, so they are taken over all rows, in proportion."""
    relative = np.abs(np.stack(draws) - plain) / plain
    bound: NDArray[np.float64] = MARGIN * relative.max() * plain
    return bound


def _lengths(rows: NDArray[Any]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.linalg.norm(rows.astype(np.float64), axis=1)
    return lengths
