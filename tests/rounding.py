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
from torch import nn

from spice_select.data.records import Example
from spice_select.gradients import HookEngine, LoopEngine
from spice_select.gradients.base import BatchGradients
from spice_select.gradients.precision_probe import UNIT, Rounding

DRAWS = 4
MARGIN = 2.0


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
            with Rounding({torch.float64: unit, torch.float32: UNIT[torch.float32]}, seed):
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
