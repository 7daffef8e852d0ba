"""Names for the arrays that proofs are made of."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
"""float64 [m, n]."""
Vector = NDArray[np.float64]
"""float64 [m]."""
Rows = NDArray[np.int64]
"""int64 [m], numbers of rows."""
