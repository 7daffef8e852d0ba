"""The default objective with its products over all rows on a torch device, a GPU; the rest stays on the CPU.

What a pick takes of every row is two products with it, in float64: a reading of all rows for some tens of picks, and
a product with a [d, d] matrix every d picks. Those are four fifths of such a choice, and lie here.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix
from spice_select.numerics.divided import DividedRows
from spice_select.selection.objectives.reaches import Reaches
from spice_select.selection.objectives.target_variance import POOL_VARIANCES, TargetVariance
from spice_select.selection.objectives.variance_state import TargetVarianceState
from spice_select.selection.paths.eager import run_eager
from spice_select.selection.paths.ledger import Problem
from spice_select.selection.paths.sent import fitting, numbers, sent_rows
from spice_select.selection.result import Selection

_TILE_ENTRIES = 1 << 25  # 256 MB of float64 on the device


class DeviceRows:
    """Rows as they are stored, on a device, read as float64 some at a time: 4·n·d bytes there, of float64 rows 8.

    Args:
        features: ``[n, d]``, an array or `DividedRows`.
        device: torch's name of it.
    """

    def __init__(self, features: Matrix | DividedRows, device: str) -> None:
        divided = features if isinstance(features, DividedRows) else None
        source = features.source if isinstance(features, DividedRows) else features
        self.device = torch.device(device)
        self._tile = max(64, _TILE_ENTRIES // source.shape[1])
        self._stored = sent_rows(source, self.device, tile=self._tile)
        self._divisors = None if divided is None else self.sent(divided.divisors)
        self._factors = None if divided is None or divided.factors is None else self.sent(divided.factors)
        self._ratios = None if divided is None else self.sent(divided.ratios)

    def sent(self, array: NDArray[Any]) -> Tensor:
        """A copy of an array there."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def tiles(self) -> Iterator[tuple[int, Tensor]]:
        """(position, float64 rows) for consecutive tiles: the numbers that `DividedRows` reads."""
        for start, tile in self._as_stored():
            here = slice(start, start + len(tile))
            if self._divisors is not None:
                tile = tile / self._divisors[here, None]
            if self._factors is not None:
                tile = tile * self._factors[here, None]
            yield start, tile

    def products(self, vectors: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """As `tile_products`: rows are multiplied as they are stored, and the products divided."""
        there = self.sent(vectors)
        for start, tile in self._as_stored():
            found = there @ tile.T
            if self._ratios is not None:
                found /= self._ratios[start : start + len(tile)]
            yield start, numbers(found)

    def _as_stored(self) -> Iterator[tuple[int, Tensor]]:
        for start in range(0, len(self._stored), self._tile):
            yield start, self._stored[start : start + self._tile].double()

    def gram(self, weights: NDArray[np.float64] | None) -> Matrix:
        """Σ w g gᵀ over all rows (None: w = 1), float64 ``[d, d]``. 2nd² flops."""
        d, there = self._stored.shape[1], self.sent(np.ones(len(self._stored)) if weights is None else weights)
        total = torch.zeros((d, d), dtype=torch.float64, device=self.device)
        for start, tile in self.tiles():
            total += tile.T @ (tile * there[start : start + len(tile), None])
        return numbers(total)


class DeviceReaches(Reaches):
    """`Reaches` whose products are taken on a device; what they come to lies here."""

    def __init__(self, features: Matrix, spreads: Sequence[Matrix], alpha: float, *, rows: DeviceRows) -> None:
        self._rows = rows
        super().__init__(features, spreads, alpha)

    def _in_tiles(self, vectors: Matrix) -> Iterator[tuple[int, Matrix]]:
        return self._rows.products(vectors)

    def _take_all(self, spreads: Sequence[Matrix], inverse: Matrix | None = None) -> None:
        """2(1 + q)nd² flops: on a device the halves that are zero or known cost less than leaving them out."""
        sent = [self._rows.sent(spread) for spread in spreads]
        root = None if inverse is None else self._rows.sent(inverse)
        for start, tile in self._rows.tiles():
            X, here = tile if root is None else tile @ root, slice(start, start + len(tile))
            self.leverage[here] = numbers((X * X).sum(dim=1))
            for reach, spread in zip(self.reach, sent, strict=True):
                reach[here] = numbers(((X @ spread) * X).sum(dim=1))


def eager_on(device: str) -> Any:
    """The path of `greedy` by `TargetVariance` or `DistinctVariance` with products on this torch device.

    ``path=eager_on("cuda")``; the device must know float64 (Apple's MPS does not). The picks are those of `run_eager`.
    Raises InputError for another objective, and where the rows do not fit there.
    """

    def run(problem: Problem) -> Selection:
        objective = problem.objective
        if not isinstance(objective, TargetVariance) or type(objective) not in POOL_VARIANCES:
            raise InputError(
                f"objective {type(objective).__name__} on {device}: only TargetVariance and DistinctVariance are known "
                "there. Leave the device out."
            )
        with fitting(device, problem.features):
            return run_eager(problem, partial(_placed, objective, device))

    return run


def _placed(objective: TargetVariance, device: str, features: Matrix) -> Any:
    """The objective's state with its rows on the device; of no more rows than numbers it needs none."""
    if objective.target is None and len(features) <= features.shape[1]:
        return objective.state(features)
    rows = DeviceRows(features, device)
    spread = rows.gram(objective.weights(features)) if objective.target is None else objective.spread(features)
    return TargetVarianceState(features, spread, objective.alpha, partial(DeviceReaches, rows=rows))
