import numpy as np
import pytest

from spice_select.numerics.cholesky import lower_root, upper_root


@pytest.mark.parametrize("d", [1, 5, 300])
def test_the_root_is_lower_and_its_square_the_matrix(d):
    X = np.random.default_rng(d).standard_normal((d, 2 * d))
    matrix = X @ X.T + np.eye(d)
    root = lower_root(matrix.copy())
    np.testing.assert_array_equal(root, np.tril(root))
    np.testing.assert_allclose(root, np.linalg.cholesky(matrix), rtol=1e-10, atol=1e-12)


def test_what_has_no_root_is_an_error_of_numpys():
    with pytest.raises(np.linalg.LinAlgError):
        lower_root(-np.eye(3))


@pytest.mark.parametrize(("m", "d"), [(1, 1), (9, 5), (700, 300)])
def test_the_root_of_stacked_rows_is_upper_and_its_square_theirs(m, d):
    rows = np.random.default_rng(m).standard_normal((m, d))
    root = upper_root(np.array(rows, order="F"))
    np.testing.assert_array_equal(root, np.triu(root))
    np.testing.assert_allclose(root.T @ root, rows.T @ rows, rtol=1e-10, atol=1e-10)
