"""Products over all rows, a tile at a time."""

import numpy as np
import pytest

from spice_select.numerics import tiles as tiled
from spice_select.numerics.divided import DividedRows
from spice_select.numerics.tiles import gram, tile_products, tiles, times_upper


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_with_rows_that_are_divided_are_those_of_the_rows_as_they_are_read(monkeypatch, dtype):
    monkeypatch.setattr(tiled, "TILE_ENTRIES", 1)
    rng = np.random.default_rng(9)
    stored, vectors = rng.standard_normal((150, 7)).astype(dtype), rng.standard_normal((4, 7))
    rows = DividedRows(stored, rng.uniform(0.5, 1e6, 150), rng.uniform(0.1, 2.0, 150))
    for matrix in (stored, rows):
        starts, parts = zip(*((start, found.copy()) for start, found in tile_products(matrix, vectors)), strict=True)
        assert list(starts) == [0, 64, 128]
        np.testing.assert_allclose(np.hstack(parts), vectors @ np.asarray(matrix, np.float64).T, rtol=1e-12, atol=1e-15)


def test_products_with_an_upper_triangle_skip_its_zeros(monkeypatch):
    monkeypatch.setattr(tiled, "_PANEL", 3)
    rng = np.random.default_rng(10)
    rows, triangle = rng.standard_normal((5, 8)), np.triu(rng.standard_normal((8, 8)))
    np.testing.assert_allclose(times_upper(rows, triangle), rows @ triangle, rtol=1e-13)
