"""Products over all rows, a tile at a time."""

import numpy as np
import pytest

from spice_select.numerics import tiles as tiled
from spice_select.numerics.tiles import gram, tiles


def test_a_sum_over_tiles_is_the_sum(monkeypatch):
    monkeypatch.setattr(tiled, "TILE_ENTRIES", 1)
    rows = np.random.default_rng(8).standard_normal((500, 6)).astype(np.float32)
    np.testing.assert_allclose(gram(rows), rows.T.astype(float) @ rows.astype(float), rtol=1e-12, atol=1e-9)
    some = np.arange(499, 0, -3)
    np.testing.assert_allclose(gram(rows, some), rows[some].T.astype(float) @ rows[some].astype(float), atol=1e-9)


@pytest.mark.parametrize(("n", "tile"), [(64, 64), (130, 64)])
def test_tiles_follow_one_another_and_are_float64(monkeypatch, n, tile):
    monkeypatch.setattr(tiled, "TILE_ENTRIES", 1)
    rows = np.arange(n * 3, dtype=np.float32).reshape(n, 3)
    starts, parts = zip(*tiles(rows), strict=True)
    assert list(starts) == list(range(0, n, tile))
    assert all(part.dtype == np.float64 for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), rows)
