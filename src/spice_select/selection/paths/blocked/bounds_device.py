"""The float32 bounds computed by torch on an accelerator; everything that decides stays in float64 on the host."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.selection.features import Features
from spice_select.selection.paths.blocked.bounds import TILE_DEPTH, Bounds
from spice_select.selection.paths.blocked.root import InverseRoot


class DeviceBounds(Bounds):
    """`Bounds` whose matrix products run where the feature tensor lies. The same proof, hence the same picks.

    It needs true float32 products: reduced precision (TF32) is switched off for their duration.
    """

    tile_rows = 16384
    stage_picks = 512

    def __init__(self, features: Features, *, eta: float | None, root: InverseRoot | None = None) -> None:
        import torch

        del root  # products with the picks are cheap there
        self._torch = torch
        super().__init__(features, eta=eta)

    def _place(self, features: Features) -> float:
        """The tensor stays where it is; float64 is scaled before it becomes float32."""
        wide = features.array.dtype != np.float32
        self._tensor = (features.tensor.double() / self._scale).float() if wide else features.tensor.float()
        self._resident = self._torch.zeros((256, features.d), device=self._tensor.device)
        return 1.0 if wide else self._scale

    def _keep(self, U: NDArray[np.float64], start: int) -> None:
        end = start + len(U)
        while end > len(self._resident):
            self._resident = self._torch.cat([self._resident, self._torch.zeros_like(self._resident)])
        self._resident[start:end] = self._send(U.astype(np.float32))

    def _send(self, array: NDArray[Any]) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self._tensor.device)

    def _measure(
        self, rows: NDArray[np.int64], pending: NDArray[np.int64], end: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        torch, most = self._torch, int(pending[0])
        X, U = self._tensor.index_select(0, self._send(rows)), self._resident[end - most : end]
        with full_precision(torch):
            W = X[:, :TILE_DEPTH] @ U[:, :TILE_DEPTH].T
            for j in range(TILE_DEPTH, X.shape[1], TILE_DEPTH):
                W += X[:, j : j + TILE_DEPTH] @ U[:, j : j + TILE_DEPTH].T
            dots = None if self._cosine is None else X @ self._send(self._unit_mean)
        seen = self._send(most - pending)
        W.masked_fill_(torch.arange(most, device=W.device)[None, :] < seen[:, None], 0.0)
        taken = (W * W).sum(dim=1).double().cpu().numpy()
        return taken, None if dots is None else dots.double().cpu().numpy()


@contextmanager
def full_precision(torch: Any) -> Iterator[None]:
    """Float32 matrix products in float32, whatever the process has chosen for speed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
