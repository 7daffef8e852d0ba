"""α‖Bg‖² of every row between two proven bounds: from a pass in float32, and in float64 for the rows that decide.

Where one asks for the sum of the k largest of n values, or for the least of them, a rough bracket around each tells
which rows can matter. Only these are computed to the last digit; the answer is what it would be with all of them.
u = 2⁻⁵³ and v = 2⁻²⁴ are the units of rounding, γ_m as in `factor`.
"""

import numpy as np

from spice_select.numerics.rounding import UNIT32, UNIT64, gamma
from spice_select.numerics.tiles import tile_rows
from spice_select.selection.relaxation.factor import Forms, image_squares, panels_of, quadratic_forms
from spice_select.selection.relaxation.passes import scaled_rows

WIDEST = 0.1  # of γ_d in float32: with more dimensions than that allows float64 does it all
_TINY = 1e-30  # above what underflow takes from a float32 product of rows of length one,
_DIM = 1e-36  # and from the sum of its squares
_FAINT = 1e-280  # squared lengths below it have lost digits: such rows are bounded by their length alone


class Bracketed:
    """α‖Bg‖² of the rows of `matrix` [n, d]: `low` ≤ truth ≤ `high`, float64 [n] each; see `settle`.

    `inverse_root` B float64 [d, d], `norms` ‖g‖² float64 [n]. Cost: 2nd² flops in float32, half of it where B is lower
    triangular and d ≫ 512; memory two tiles and a float32 copy of B.
    """

    def __init__(self, matrix: np.ndarray, inverse_root: np.ndarray, alpha: float, norms: np.ndarray) -> None:
        self._matrix, self._root, self._alpha, self._norms = matrix, inverse_root, alpha, norms
        narrow = gamma(matrix.shape[1] + 4, UNIT32) < WIDEST
        forms = _rough_forms(matrix, inverse_root, alpha, norms) if narrow else self._exactly(None)
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


def _rough_forms(matrix: np.ndarray, inverse_root: np.ndarray, alpha: float, norms: np.ndarray) -> Forms:
    """`quadratic_forms` in float32, of rows brought to length one so that no scale of the features overflows.

    Rounding B and the row (its length too) adds three units to the w of the product: component j of Bu is off by
    γ_{w+4}|b_j| at most, whatever the order in which BLAS adds the w numbers before the zeros that end b_j; the vector
    by (Σ γ²|b_j|²)^½. A length that is off by a rounding of float64 does not matter: it scales the row down and the
    result up again.
    """
    d, size = matrix.shape[1], tile_rows(matrix.shape[1])
    wide = panels_of(inverse_root)
    panels = [panel.astype(np.float32) for panel in wide]
    lengths = np.sqrt(norms)
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=norms > _FAINT)
    squares = np.zeros(len(norms))
    for start in range(0, len(norms), size):
        part = slice(start, start + size)
        unit = scaled_rows(matrix, part, scale[part], single=True)
        squares[start : start + size] = image_squares(unit, panels)
    radius = _TINY + float(np.sqrt(sum((gamma(b.shape[1] + 4, UNIT32) * np.linalg.norm(b)) ** 2 for b in wide)))
    loss, exact = 2 * gamma(d + 3, UNIT32), 1e-12 + 4 * gamma(d + 4, UNIT64)
    high = norms * (np.sqrt(squares * (1 + loss) + _DIM) + radius) ** 2 * (1 + exact)
    low = norms * np.maximum(np.sqrt(np.maximum(squares * (1 - loss) - _DIM, 0)) - radius, 0) ** 2 * (1 - exact)
    faint = norms <= _FAINT
    high[faint], low[faint] = 2 * norms[faint] * float(np.linalg.norm(inverse_root)) ** 2, 0.0
    return Forms(low=alpha * low, high=alpha * high)
