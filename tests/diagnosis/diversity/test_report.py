"""All numbers side by side: what leaves them as they are, what lowers them, and what has none."""

import json

import numpy as np
import pytest

from spice_select.diagnosis.diversity import Directions, cluster_labels, group_coverage, measure_diversity, row_overlap
from spice_select.diagnosis.diversity.distances import cosine_distances
from spice_select.diagnosis.diversity.effective_rank import effective_rank
from spice_select.diagnosis.diversity.nearest import nearest_distance
from spice_select.errors import InputError

from .examples import cloud, naive_centred, naive_effective_rank, naive_nearest

NUMBERS = ("novelsum", "novelsum_paper", "nearest_distance", "effective_rank")


def values(one):
    return [one.ldd.mean, *(getattr(one, name) for name in NUMBERS)]


def test_nearest_distance_and_effective_rank_are_their_definitions():
    pool, rows = cloud(15, 8), np.array([4, 0, 11, 7, 2])
    directions = Directions(pool)
    assert nearest_distance(cosine_distances(directions.unit(rows))) == pytest.approx(naive_nearest(pool, rows))
    centred = naive_centred(pool)
    for some in (rows, np.arange(15)):  # fewer rows than dimensions, and more
        truth = naive_effective_rank([centred[row] for row in some])
        assert effective_rank(directions.centred(some)) == pytest.approx(truth)


def test_coverage_is_a_quotient_of_entropies():
    groups = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    assert group_coverage(groups, np.arange(8)) == pytest.approx(1.0)
    assert group_coverage(groups, np.array([0, 3])) == 0.0
    assert group_coverage(groups, np.array([0, 4])) == pytest.approx(np.log(2) / (1.5 * np.log(2)))
    assert group_coverage(groups, np.array([0, 4, 6])) > 1, "more even than the pool"


def test_overlap_is_jaccards_index():
    assert row_overlap(np.array([1, 2, 3]), np.array([3, 4])) == 0.25
    assert row_overlap(np.array([1]), np.array([2])) == 0.0
    assert row_overlap(np.array([5, 1]), np.array([1, 5])) == 1.0


@pytest.mark.parametrize("seed", range(8))
def test_clusters_that_lie_apart_are_found(seed):
    centres = np.eye(6)[np.repeat(np.arange(6), 5)]
    noise = 0.01 * np.random.default_rng(seed).standard_normal((30, 6))
    labels = cluster_labels(Directions(centres + noise), seed=seed)
    assert [len(set(labels[start : start + 5])) for start in range(0, 30, 5)] == [1] * 6
    assert len(set(labels)) == 6


def test_clusters_are_seeded_and_each_row_is_with_its_nearest_centre():
    directions = Directions(cloud(700, 5))
    labels = cluster_labels(directions, seed=1)
    assert np.array_equal(labels, cluster_labels(directions, seed=1))
    assert not np.array_equal(labels, cluster_labels(directions, seed=2))
    assert labels.max() == 99
    rows = directions.unit(np.arange(700))
    means = np.array([rows[labels == label].mean(axis=0) for label in range(100)])
    nearest = ((rows[:, None] - means[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == labels).mean() > 0.99


def test_one_result_says_all_of_each_choice():
    pool, sources = cloud(60, 6), ["a", "b", "c"] * 20
    choices = {"spice": [5, 7, 9, 10, 2], "random": np.arange(10, 20)}
    found = measure_diversity(pool, choices, tokens=np.arange(60), sources=sources)
    one = found["spice"]
    assert (one.rows, one.compared, found["random"].compared) == (5, 5, 5)
    assert one.supervised_tokens == 33
    assert one.ldd.gap == pytest.approx(one.ldd.mean - found["random"].ldd.mean)
    assert one.clusters == 12
    assert one.overlaps == {"random": pytest.approx(1 / 14)}
    assert one.source_coverage == pytest.approx(1.0550 / 1.0986, abs=1e-3)
    assert one.missing == {}
    assert json.loads(json.dumps(one.to_json(), allow_nan=False))["ldd"]["rows"] == 5


def test_a_number_is_of_the_choice_not_of_its_order_nor_of_the_pools():
    pool, rows = cloud(60, 6), np.array([5, 7, 9, 10, 2])
    found = measure_diversity(pool, {"random": rows})["random"]
    assert values(measure_diversity(pool, {"random": rows[::-1]})["random"]) == pytest.approx(values(found))
    order = np.random.default_rng(0).permutation(60)
    moved = measure_diversity(pool[order], {"random": np.argsort(order)[rows]})["random"]
    assert values(moved) == pytest.approx(values(found))


def test_a_rotation_and_lengths_change_nothing():
    pool, rows = cloud(200, 6), np.arange(0, 200, 9)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    lengths = np.random.default_rng(2).lognormal(size=(200, 1))
    lengths[9] = 1e-170  # whose square is 0
    found, turned = (
        measure_diversity(features, {"random": rows})["random"] for features in (pool, (pool @ turn) * lengths)
    )
    assert values(turned) == pytest.approx(values(found))
    assert turned.cluster_coverage == found.cluster_coverage


def test_rows_without_a_direction_move_no_other():
    pool, rows = cloud(40, 6), np.arange(0, 40, 3)
    padded = np.vstack([pool, np.zeros((30, 6))])
    assert Directions(padded).centred(rows) == pytest.approx(Directions(pool).centred(rows))
    assert not Directions(padded).centred(np.arange(40, 70)).any()


def test_copies_lower_every_number():
    pool = np.repeat(cloud(30, 6), 2, axis=0)
    distinct, copies = np.arange(0, 60, 2), np.arange(30)
    found = measure_diversity(pool, {"random": distinct, "copies": copies})
    assert found["copies"].ldd.gap > 1
    assert all(getattr(found["copies"], name) < getattr(found["random"], name) for name in NUMBERS)
    assert found["copies"].nearest_distance == pytest.approx(0.0, abs=1e-12)
    assert found["copies"].cluster_coverage < found["random"].cluster_coverage


def test_one_row_is_not_far_from_another():
    found = measure_diversity(cloud(20, 3), {"random": [4]}, tokens=np.ones(20, int), sources=["a", "b"] * 10)["random"]
    assert set(found.missing) == {"novelsum", "novelsum_paper", "nearest_distance"}
    assert found.ldd.mean == pytest.approx(0.0, abs=1e-12)
    assert (found.effective_rank, found.source_coverage, found.cluster_coverage) == (pytest.approx(1.0), 0.0, 0.0)


@pytest.mark.parametrize(
    ("pool", "missing"),
    [
        (np.full((12, 4), 0.3, np.float32), {"ldd", "effective_rank", "cluster_coverage"}),
        (np.zeros((12, 4)), {"ldd", "effective_rank", "cluster_coverage"}),
        (np.arange(-3.0, 9.0)[:, None], set()),
        (np.ones((12, 1)), {"ldd", "effective_rank", "cluster_coverage"}),
        (np.full((12, 2), 5e-324), {"ldd", "effective_rank", "cluster_coverage"}),
        (np.eye(12)[:, :2] * 1e-160, {"ldd"}),
    ],
    ids=["equal", "zeros", "one dimension", "one direction", "least float", "mostly zeros"],
)
def test_what_a_pool_cannot_have_is_told(pool, missing):
    found = measure_diversity(pool, {"random": np.arange(4), "other": np.arange(3, 9)}, sources=["a"] * 12)
    for one in found.values():
        assert missing <= set(one.missing)
        assert set(one.missing) - missing <= {"supervised_tokens", "source_coverage", "effective_rank"}
        assert all(getattr(one, name) is None for name in one.missing)
        assert "one group" in one.missing["source_coverage"]
        json.dumps(one.to_json(), allow_nan=False)


def test_a_pool_of_one_row():
    found = measure_diversity(np.ones((1, 3)), {"random": [0]})["random"]
    assert {"ldd", "novelsum", "cluster_coverage"} <= set(found.missing)
    json.dumps(found.to_json(), allow_nan=False)


def test_what_cannot_be_measured_is_refused_by_name():
    pool = cloud(9, 3)
    with pytest.raises(InputError, match="no choice to measure"):
        measure_diversity(pool, {})
    with pytest.raises(InputError, match="choice 'b': the selection names row 9"):
        measure_diversity(pool, {"random": [1], "b": [9]})
    with pytest.raises(InputError, match=r"choice 'b': .*non-empty"):
        measure_diversity(pool, {"random": [1], "b": []})
    with pytest.raises(InputError, match="names row 1 twice"):
        measure_diversity(pool, {"random": [1, 1]})
    with pytest.raises(InputError, match="8 tokens for a pool of 9 rows"):
        measure_diversity(pool, {"random": [1]}, tokens=np.ones(8, int))
    with pytest.raises(InputError, match="not among the choices"):
        measure_diversity(pool, {"spice": [1]})
