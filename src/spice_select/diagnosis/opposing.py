"""Which rows pull against all the others together; of pairs, those of a turned label are more often among them."""

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.features import read
from spice_select.numerics.tiles import row_sum, tiles


def opposes_the_others(features: object) -> NDArray[np.bool_]:
    """Per row of `features` [n, d]: whether its inner product with the sum of the other rows is below 0. O(nd)."""
    rows = read(features)
    total = row_sum(rows.array)
    return np.concatenate([tile @ total for _, tile in tiles(rows.array)]) < rows.squares
