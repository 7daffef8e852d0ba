"""α‖Bg‖² of every row between two proven bounds: from a pass in float32, and in float64 for the rows that decide.

Where one asks for the sum of the k largest of n values, or for the least of them, a rough bracket around each tells
which rows can matter. Only these are computed to the last digit; the answer is what it would be with all of them.
u = 2⁻⁵³ and v = 2⁻²⁴ are the units of rounding, γ_m as in `factor`.
"""

from typing import Protocol

import numpy as np

from spice_select.numerics.rounding import UNIT32, UNIT64, gamma
from spice_select.numerics.tiles import tile_rows
from spice_select.selection.relaxation.factor import PANEL, Forms, panels_of, quadratic_forms
from spice_select.selection.relaxation.passes import scaled_rows

WIDEST = 0.1  # of γ_d in float32: with more dimensions than that allows float64 does it all
_TINY = 1e-30  # above what underflow takes from a float32 product of rows of length one,
_DIM = 1e-36  # and from the sum of its squares
_TERMS = 512  # numbers summed at a time: a sum may be off by a unit of rounding for each
_STRIDE = 128  # numbers of Bg after which a contest is asked again, or an eighth of them
_HEAT = 512  # rows of a contest that are looked at first; later ones are left sooner
_FAINT = 1e-280  # squared lengths below it have lost digits: such rows are bounded by their length alone


class Contest(Protocol):
    """Who wins by having little: asks which rows are still worth a look."""

    def may_win(self, rows: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Bool: which of `rows` may still win if theirs are `low` or more."""
        ...

    def enter(self, rows: np.ndarray, high: np.ndarray) -> None:
        """Those of `rows` are `high` or less."""
        ...


class Bracketed:
    """α‖Bg‖² of the rows of `matrix` [n, d]: `low` ≤ truth ≤ `high`, float64 [n] each; see `settle`.

    `inverse_root` B float64 [d, d], `norms` ‖g‖² float64 [n]. A row that a `contest` gives up after some of the numbers
    of Bg stays where it was: its `low` is of these, its `high` infinite. Cost: 2nd² flops in float32, half of it where
    B is lower triangular and d ≫ 512; memory two tiles and a float32 copy of B.
    """

    def __init__(
        self,
        matrix: np.ndarray,
        inverse_root: np.ndarray,
        alpha: float,
        norms: np.ndarray,
        contest: Contest | None = None,
    ) -> None:
        self._matrix, self._root, self._alpha, self._norms = matrix, inverse_root, alpha, norms
        narrow = gamma(matrix.shape[1] + 4, UNIT32) < WIDEST
        forms = _rough_forms(matrix, inverse_root, alpha, norms, contest) if narrow else self._exactly(None)
        self.low, self.high = forms.low, forms.high
        self._settled = np.full(len(norms), not narrow)

    def settle(self, rows: np.ndarray) -> None:
        """Bring both bounds of `rows` together but for float64's own rounding. Cost: 2d² flops for each new row."""
        new = rows[~self._settled[rows]]
        if len(new):
            exact = self._exactly(new)
            self.low[new], self.high[new] = exact.low, exact.high
            self._settled[new] = True

    def _exactly(self, rows: np.ndarray | None) -> Forms:
        norms = self._norms if rows is None else self._norms[rows]
        return quadratic_forms(self._matrix, self._root, self._alpha, norms, rows)


def _rough_forms(
    matrix: np.ndarray, inverse_root: np.ndarray, alpha: float, norms: np.ndarray, contest: Contest | None
) -> Forms:
    """`quadratic_forms` in float32, of rows brought to length one so that no scale of the features overflows.

    Component j of Bu is the sum of ⌈w/t⌉ products of `_TERMS` t numbers each, of the w before the zeros that end b_j.
    Rounding B and the row (its length too) adds three units: it is off by γ_{t+⌈w/t⌉+4}|b_j| at most, in whatever order
    BLAS adds, and the vector by (Σ γ²|b_j|²)^½. A length that is off by a rounding of float64 does not matter: it
    scales the row down and the result up again.
    """
    d, largest = matrix.shape[1], tile_rows(matrix.shape[1])
    wide = panels_of(inverse_root, PANEL if contest is None else min(PANEL, max(_STRIDE, d // 8)))
    panels = [panel.astype(np.float32) for panel in wide]
    lengths = np.sqrt(norms)
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=norms > _FAINT)
    radius = _TINY + float(np.sqrt(sum((gamma(_roundings(b.shape[1]), UNIT32) * np.linalg.norm(b)) ** 2 for b in wide)))
    loss = 2 * gamma(max((len(b) for b in wide), default=0) + 3, UNIT32)  # the sums of panels are added in float64
    exact = 1e-12 + 4 * gamma(d + 4, UNIT64)

    def least(rows: np.ndarray, squares: np.ndarray) -> np.ndarray:
        below = np.maximum(np.sqrt(np.maximum(squares * (1 - loss) - _DIM, 0)) - radius, 0) ** 2 * (1 - exact)
        return alpha * np.where(norms[rows] > _FAINT, norms[rows] * below, 0.0)

    def most(rows: np.ndarray, squares: np.ndarray) -> np.ndarray:
        above = (np.sqrt(squares * (1 + loss) + _DIM) + radius) ** 2 * (1 + exact)
        faint = 2 * float(np.linalg.norm(inverse_root)) ** 2
        return alpha * norms[rows] * np.where(norms[rows] > _FAINT, above, faint)

    low, high = np.zeros(len(norms)), np.full(len(norms), np.inf)
    start, size = 0, largest if contest is None else min(_HEAT, largest)
    while start < len(norms):
        rows = np.arange(start, min(start + size, len(norms)))
        unit = scaled_rows(matrix, slice(start, start + size), scale[rows], single=True)
        squares = np.zeros(len(rows))
        for panel in panels:
            squares += _image_squares(unit, panel)
            if contest is not None:
                low[rows] = least(rows, squares)
                stay = contest.may_win(rows, low[rows])
                if 2 * np.count_nonzero(stay) < len(rows):
                    rows, unit, squares = rows[stay], unit[stay], squares[stay]
        low[rows], high[rows] = least(rows, squares), most(rows, squares)
        if contest is not None:
            contest.enter(rows, high[rows])
        start, size = start + size, min(2 * size, largest)
    return Forms(low=low, high=high)


def _roundings(width: int) -> int:
    """Of a component of Bu."""
    return min(width, _TERMS) + -(-width // _TERMS) + 4


def _image_squares(rows: np.ndarray, panel: np.ndarray) -> np.ndarray:
    """‖Bg‖² of each row [m, d] for some rows of B, summed `_TERMS` products at a time."""
    width = panel.shape[1]
    image = rows[:, : min(width, _TERMS)] @ panel[:, :_TERMS].T
    for start in range(_TERMS, width, _TERMS):
        part = slice(start, min(start + _TERMS, width))
        image += rows[:, part] @ panel[:, part].T
    return np.einsum("ij,ij->i", image, image)
