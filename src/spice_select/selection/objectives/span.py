"""Rows as a target sees them: within the span of its gradients, what lies outside counted as noise of their own."""

from dataclasses import dataclass

import numpy as np

from spice_select.numerics.arrays import Matrix
from spice_select.numerics.tiles import tiles
from spice_select.selection.objectives.base import require_width

_NOTHING = 1e-24
"""Share of a row's square within the span that is rounding: such rows tell nothing, and tie."""


@dataclass(frozen=True, eq=False)
class Span:
    """The span of a target's m rows, of r ≤ min(m, d) dimensions.

    A row is x = Qx' + x⊥. What its gradient says within the span is blurred by what it says outside, which no two rows
    share but by chance: measured with noise 1/α + ‖x⊥‖² instead of 1/α it counts as x'/√(1 + α‖x⊥‖²). So a row's
    first gain is that in all d dimensions, and a pick costs r numbers a row instead of d.

    Attributes:
        basis: Q ``[d, r]``, orthonormal.
        alpha: the scale α.
    """

    basis: Matrix
    alpha: float

    @classmethod
    def of(cls, target: Matrix, alpha: float) -> "Span":
        """That of the rows of a target ``[m, d]``. O(md·min(m, d))."""
        _, sizes, directions = np.linalg.svd(target, full_matrices=False)
        kept = sizes > sizes.max(initial=0.0) * max(target.shape) * np.finfo(np.float64).eps
        return cls(np.ascontiguousarray(directions[kept].T), alpha)

    def seen(self, rows: Matrix) -> Matrix:
        """Rows ``[n, d]`` as they count within the span, float64 ``[n, r]``. O(ndr); of the rows no copy but a tile.

        Raises:
            InputError: rows of another width than the target's.
        """
        require_width(len(self.basis), rows)
        seen = np.empty((len(rows), self.basis.shape[1]))
        for start, tile in tiles(rows):
            inside = tile @ self.basis
            whole, within = np.einsum("ij,ij->i", tile, tile), np.einsum("ij,ij->i", inside, inside)
            inside[within <= _NOTHING * whole] = 0.0
            outside = np.maximum(whole - within, 0.0)
            np.divide(inside, np.sqrt(1.0 + self.alpha * outside)[:, None], out=seen[start : start + len(tile)])
        return seen
