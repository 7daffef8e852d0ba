"""The blocked path with its float32 products on a torch device, a GPU; decisions stay with the CPU, in float64."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spice_select.errors import InputError
from spice_select.numerics.features import Features
from spice_select.selection.paths.blocked.bounds import Bounds, single_rows
from spice_select.selection.paths.blocked.rounds import run_blocked
from spice_select.selection.paths.ledger import Problem
from spice_select.selection.paths.sent import fitting, numbers, sent_rows
from spice_select.selection.penalties.conflict import Conflict
from spice_select.selection.result import Selection


class DeviceBounds(Bounds):
    """`Bounds` whose rows and updates lie on a device: 4·n·d bytes there, and 4·d for each pick that is kept."""

    tile_rows = 16384
    stage_picks = 256
    depth = 1 << 30  # in what order a device adds is its own affair: the error bound is that of d terms in any order

    def __init__(self, features: Features, *, device: str, **options: Any) -> None:
        self._device = torch.device(device)
        self._root_there_at = -1
        super().__init__(features, **options)

    def _place(self, features: Features) -> float:
        rows, scale = single_rows(features, self._scale)
        self._rows = sent_rows(rows, self._device, tile=self.tile_rows)
        self._kept = torch.zeros((256, features.d), device=self._device)
        return scale

    def _keep(self, taken: NDArray[np.float32], start: int) -> None:
        while start + len(taken) > len(self._kept):
            self._kept = torch.cat([self._kept, torch.zeros_like(self._kept)])
        self._kept[start : start + len(taken)] = torch.from_numpy(taken).to(self._device)

    def _drop(self, count: int) -> None:
        self._kept[:-count] = self._kept[count:].clone()

    def _measure(
        self, rows: NDArray[np.int64], pending: NDArray[np.int64], end: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        most, end = int(pending[0]), end - self._first
        with _whole_float32():
            X = self._gathered(rows)
            W = X @ self._kept[end - most : end].T
            seen = torch.from_numpy(most - pending).to(self._device)
            # Picks that a row's bound has seen: not to be taken off twice.
            W.masked_fill_(torch.arange(most, device=self._device)[None] < seen[:, None], 0.0)
            return numbers((W * W).sum(dim=1)), self._dots(X)

    def _refresh_directly(self, rows: NDArray[np.int64]) -> None:
        root = self._single_root()
        if self._root_there_at != self._root_at:
            self._root_there, self._root_there_at = torch.from_numpy(root).to(self._device), self._root_at
        for start in range(0, len(rows), self.tile_rows):
            part = rows[start : start + self.tile_rows]
            with _whole_float32():
                X = self._gathered(part)
                W = X @ self._root_there
                squares, dots = numbers((W * W).sum(dim=1)), self._dots(X)
            self._settle_directly(part, squares, W.shape[1])
            self._enter_cosines(part, dots)

    def _gathered(self, rows: NDArray[np.int64]) -> Tensor:
        return self._rows[torch.from_numpy(np.ascontiguousarray(rows)).to(self._device)]

    def _dots(self, X: Tensor) -> NDArray[np.float64] | None:
        """Products with the unit mean, where conflicts are asked for."""
        if self._cosine is None or len(self._means) == 1:
            return None if self._cosine is None else np.zeros(len(X))
        return numbers(X @ torch.from_numpy(self._unit_mean).to(self._device))


def blocked_on(device: str) -> Any:
    """The path of `greedy` that has its float32 products on this torch device: ``path=blocked_on("cuda")``.

    The picks are those of `run_blocked`. Raises InputError for a penalty that is no `Conflict`, and where the rows do
    not fit there.
    """

    def run(problem: Problem) -> Selection:
        if problem.weight > 0 and type(problem.penalty) is not Conflict:
            raise InputError(
                f"penalty {type(problem.penalty).__name__} on {device}: only Conflict is known there. Leave the device "
                "out, or the penalty."
            )
        with fitting(device, problem.features):
            return run_blocked(problem, home=partial(DeviceBounds, device=device))

    return run


@contextmanager
def _whole_float32() -> Iterator[None]:
    """Products in float32 as it is: TF32 and bfloat16, which torch may be set to, have fewer digits than the proof."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
