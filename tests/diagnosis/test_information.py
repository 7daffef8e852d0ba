"""Information in float32 products is that of float64 to a millionth."""

import numpy as np
import pytest

from spice_select.diagnosis.information import information_nearly, information_of
from spice_select.numerics.divided import DividedRows
from spice_select.selection import Features
from spice_select.testing.selection import sample_features


@pytest.mark.parametrize("kind", ["iso", "aniso", "heavy"])
@pytest.mark.parametrize(("n", "d", "k"), [(3000, 40, 900), (400, 200, 90), (60, 80, 20)])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e6])
def test_it_is_right_to_a_millionth(kind, n, d, k, alpha):
    rows = sample_features(kind, n, d).astype(np.float32)
    some = np.random.default_rng(1).permutation(n)[:k]
    for features in (Features(rows), Features(DividedRows(rows, np.linalg.norm(rows, axis=1).astype(np.float64)))):
        due = information_of(features.array, some, alpha)
        assert information_nearly(features.array, some, alpha, features.squares) == pytest.approx(due, rel=1e-6)
