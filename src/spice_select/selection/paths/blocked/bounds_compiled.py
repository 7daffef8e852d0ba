"""The float32 bounds computed by the compiled kernel (`kernel/sweep.c`), on as many threads as there are cores."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.features import Features
from spice_select.selection.paths.blocked import kernels
from spice_select.selection.paths.blocked.bounds import TILE_DEPTH, ULP, Bounds
from spice_select.selection.paths.blocked.threads import crew_size

PANEL_PICKS = 16 if kernels.compiled is None else int(kernels.compiled.PANEL_PICKS)  # picks side by side in memory


def fits_kernel(features: Features) -> bool:
    """Whether the kernel can read these features where they lie: rows of float32 or float64 one after another."""
    return features.source.flags.c_contiguous and features.source.dtype in (np.float32, np.float64)


class CompiledBounds(Bounds):
    """`Bounds` without tiles: rows are read where they lie, float64 ones too, and no product is written down."""

    grain = PANEL_PICKS
    depth = TILE_DEPTH if kernels.compiled is None else int(kernels.compiled.SUM_TERMS)  # what the kernel does

    def _place(self, features: Features) -> float:
        """Nothing is copied: float64 rows are scaled as they are read."""
        self._source = features.source
        wide = features.source.dtype == np.float64
        self._factor = 1.0 / self._scale if wide else 1.0
        self._panels, self._panels_at = Panels(features.d, 256), -1
        return 1.0 if wide else self._scale

    def _keep(self, taken: NDArray[np.float32], start: int) -> None:
        self._panels.enter(taken, start)

    def _drop(self, count: int) -> None:
        self._panels.drop(count)

    def _refresh_in_stages(self, stale: NDArray[np.int64], floor: NDArray[np.float64] | float) -> None:
        rows, starts = self._oldest_first(stale)
        starts -= self._first
        end, dots, mean = self.now - self._first, np.empty(len(rows)), self._mean_asked()
        floors = np.broadcast_to(floor[rows] if isinstance(floor, np.ndarray) else floor, len(rows))
        flops = 2.0 * self._d * float((end - starts).sum())
        stored = 1.0 if self._ratios is None else self._ratios[rows]  # a row as it is read is so many times itself
        r = self.r[rows] * stored**2
        steps, visits = kernels.compiled.refresh(
            *(self._source, self._factor, self._d, rows, starts, end, self._panels.array, mean, dots),
            *(r, np.ascontiguousarray(floors * stored**2, dtype=np.float64), self._lengths[rows] * stored, self._mass),
            *(self._gamma, self._tiny, self._scale, self.stage_picks, self.grain, crew_size(flops)),
        )
        self.r[rows] = r if self._ratios is None else np.minimum(self.r[rows], r / stored**2 * (1 + 2 * ULP))
        self.reached[rows] = starts + self._first
        self._enter_cosines(rows, None if mean is None else dots)
        self.refreshed += visits
        self.flops += 2.0 * self._d * steps

    def _refresh_directly(self, rows: NDArray[np.int64]) -> None:
        root = self._single_root()
        if self._panels_at != self._root_at:
            self._root_panels, self._panels_at = Panels.of_columns(root), self._root_at
        taken, dots, mean = np.empty(len(rows)), np.empty(len(rows)), self._mean_asked()
        kernels.compiled.taken(
            *(self._source, self._factor, self._d, rows, np.zeros(len(rows), dtype=np.int64), self._d),
            *(self._root_panels.array, mean, taken, dots, crew_size(2.0 * self._d**2 * len(rows))),
        )
        self._settle_directly(rows, taken, self._d)
        self._enter_cosines(rows, None if mean is None else dots)

    def _mean_asked(self) -> NDArray[np.float32] | None:
        """The unit mean, where conflicts are asked for."""
        return None if self._cosine is None else self._unit_mean


class Panels:
    """Vectors of length d in panels of `PANEL_PICKS`, coordinate by coordinate, in float32; grows as they come."""

    def __init__(self, d: int, room: int) -> None:
        self.array = np.zeros((-(-room // PANEL_PICKS), d, PANEL_PICKS), dtype=np.float32)

    @classmethod
    def of_columns(cls, matrix: NDArray[np.float32]) -> "Panels":
        """The columns of a matrix [d, m]."""
        d, m = matrix.shape
        panels = cls(d, m)
        padded = np.pad(matrix, ((0, 0), (0, -m % PANEL_PICKS)))
        panels.array[:] = padded.reshape(d, -1, PANEL_PICKS).swapaxes(0, 1)
        return panels

    def drop(self, count: int) -> None:
        """Forget the first `count` vectors, whole panels of them; the others move down."""
        gone = count // PANEL_PICKS
        self.array[:-gone] = self.array[gone:].copy()
        self.array[-gone:] = 0.0

    def enter(self, vectors: NDArray[np.floating], start: int) -> None:
        """Put vectors [m, d] at the numbers `start`, `start` + 1, …"""
        end = start + len(vectors)
        while end > len(self.array) * PANEL_PICKS:
            grown = np.zeros((2 * len(self.array), *self.array.shape[1:]), dtype=np.float32)
            grown[: len(self.array)] = self.array  # the rest takes no memory until it is used
            self.array = grown
        for first in range(start - start % PANEL_PICKS, end, PANEL_PICKS):
            a, b = max(start, first), min(end, first + PANEL_PICKS)
            self.array[first // PANEL_PICKS, :, a - first : b - first] = vectors[a - start : b - start].T
