"""NovelSum by the code and by the paper: the example, the definitions, and whose neighbours count."""

import numpy as np
import pytest

from spice_select.diagnosis.diversity import Directions
from spice_select.diagnosis.diversity import crowding as module
from spice_select.diagnosis.diversity.crowding import crowding
from spice_select.diagnosis.diversity.distances import cosine_distances
from spice_select.diagnosis.diversity.novelty import code_novelties, novelsum, paper_novelsum, paper_novelties

from .examples import at, cloud, naive_crowding, naive_novelsum, naive_paper_novelsum


def parts(pool, rows, neighbours=10):
    directions = Directions(pool)
    return cosine_distances(directions.unit(rows)), crowding(directions, rows, neighbours=neighbours)


def test_the_example():
    distances, crowded = parts(at(0, 30, 90, 180), np.arange(4), neighbours=2)
    assert np.sqrt(crowded) == pytest.approx([0.9391, 1.2559, 0.8165, 0.5907], abs=5e-5)
    paper = paper_novelties(distances, crowded)
    assert paper == pytest.approx([0.9703, 0.6974, 1.2944, 2.6143], abs=5e-5)
    assert paper.sum() == pytest.approx(5.5764, abs=5e-5)
    assert paper.mean() / (1 + 1 / 2 + 1 / 3) == pytest.approx(0.7604, abs=5e-5)
    assert code_novelties(distances, crowded) == pytest.approx([0.4058, 0.4221, 0.3266, 0.4599], abs=5e-5)
    assert novelsum(distances, crowded) == pytest.approx(0.4036, abs=5e-5)
    assert paper_novelsum(distances, crowded) == paper.sum()


@pytest.mark.parametrize("n", [3, 8, 40])
def test_both_are_their_definitions(n):
    pool, rows = cloud(n, 4, seed=n), np.random.default_rng(n).permutation(n)[: max(2, n // 2)]
    distances, crowded = parts(pool, rows)
    assert crowded == pytest.approx([naive_crowding(pool, row) for row in rows])
    assert novelsum(distances, crowded) == pytest.approx(naive_novelsum(pool, rows))
    assert paper_novelsum(distances, crowded) == pytest.approx(naive_paper_novelsum(pool, rows))


def test_blocks_and_tiles_change_nothing(monkeypatch):
    pool, rows = cloud(300, 4), np.arange(299, 0, -7)
    whole = crowding(Directions(pool), rows)
    monkeypatch.setattr("spice_select.numerics.tiles.TILE_ENTRIES", 4)  # tiles of 64 rows
    monkeypatch.setattr(module, "_BLOCK", 10)
    assert crowding(Directions(pool), rows) == pytest.approx(whole, rel=1e-12)
    assert whole == pytest.approx([naive_crowding(pool, row) for row in rows])


def test_a_copy_is_a_neighbour_and_the_row_itself_is_not():
    pool = np.vstack([at(0, 90), at(0)])
    assert crowding(Directions(pool), np.arange(3), neighbours=1) == pytest.approx([1e9, 0.5, 1e9], rel=1e-6)
