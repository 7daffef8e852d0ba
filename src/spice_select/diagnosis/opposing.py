"""Which rows pull against all the others together; of pairs, those of a turned label are more often among them."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.features import read


def opposes_the_others(features: object) -> NDArray[np.bool_]:
    """Per row of `features` [n, d]: whether its inner product with the sum of the other rows is below 0. O(nd)."""
    rows = read(features)
    read_rows = np.asarray(rows.array[:], np.float64)
    return read_rows @ read_rows.sum(axis=0) < rows.squares
