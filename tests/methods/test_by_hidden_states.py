"""Methods by hidden states: the examples that can be worked out, the slow obvious versions, and what holds of all."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.errors import InputError
from spice_select.features.poolings import LAST, STATES, WEIGHTED
from spice_select.methods import METHODS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.deita import unlike_better
from spice_select.methods.dpp import kernel_width, most_unlike
from spice_select.methods.k_center import farthest_first
from spice_select.methods.neighbours import neighbours_of
from spice_select.methods.novelselect import densities, most_novel
from spice_select.methods.points import centred, first_best, unit_points
from spice_select.methods.sift import least_doubt
from spice_select.methods.stepwise import stepwise
from spice_select.methods.target import TargetSet
from spice_select.methods.tsds import crowds, transported
from spice_select.numerics.distances import squared_distances
from spice_select.progress import Silent
from spice_select.run.feasible import refuse_settings
from spice_select.run.settings import SelectSettings
from spice_select.selection import FacilityLocation, greedy, naive
from spice_select.testing.method import sample_candidates, state_block

SPREADING = ("k-center", "facility-location", "dpp", "novelselect", "deita")
AIMED = ("tsds", "sift")
SEED = st.integers(0, 2**32 - 1)


def made(name: str) -> Method:
    return METHODS[name].of({})


def choice_of(name: str, candidates: Candidates, k: int | None = None, seed: int = 0) -> Choice:
    allowance = Allowance(rows=len(candidates) if k is None else k)
    return made(name).choose(candidates, allowance, seed=seed, progress=Silent())


def chosen(name: str, candidates: Candidates, k: int | None = None, seed: int = 0) -> list[int]:
    return choice_of(name, candidates, k, seed).indices.tolist()


def candidates_for(name: str, n: int = 40, seed: int = 0) -> Candidates:
    method = METHODS[name]
    return sample_candidates(n, seed=seed, features=made(name).needs(), target=method.requires_target)


def angles(*degrees: float) -> np.ndarray:
    turns = np.radians(degrees)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def units(*rows: tuple[float, float]) -> np.ndarray:
    return np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def random_units(n: int, d: int, seed: int) -> np.ndarray:
    """With copies among them."""
    draw = np.random.default_rng(seed)
    found = draw.normal(size=(n, d))
    found[draw.integers(0, n, n // 4)] = found[0]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def numbers(n: int) -> np.ndarray:
    return np.arange(n)


# ---- what holds of all


@pytest.mark.parametrize("name", [*SPREADING, *AIMED])
def test_the_order_of_the_rows_changes_nothing(name: str) -> None:
    """Rows keep their numbers and stand in another order, as a pool of a permutation has them."""
    candidates = candidates_for(name)
    moved = candidates.take(np.random.default_rng(5).permutation(len(candidates)))
    here, there = candidates.rows[chosen(name, candidates)], moved.rows[chosen(name, moved)]
    assert there.tolist() == here.tolist()


@pytest.mark.parametrize("name", ["k-center", "novelselect", "deita", "sift"])
def test_equal_rows_are_taken_by_their_numbers(name: str) -> None:
    alike = candidates_for(name).take(np.zeros(30, np.int64))
    mixed = np.random.default_rng(1).permutation(30)
    order = mixed[chosen(name, replace(alike, rows=mixed))].tolist()
    rest = order if not METHODS[name].draws else order[1:]
    assert rest == sorted(rest)


@pytest.mark.parametrize("name", ["k-center", "facility-location", "dpp", "deita"])
def test_a_copy_is_not_taken_before_what_is_new(name: str) -> None:
    candidates = candidates_for(name, 20)
    doubled = replace(candidates.take(np.repeat(np.arange(20), 2)), rows=np.arange(40))
    first = chosen(name, doubled, 20)
    assert len({position // 2 for position in first}) == 20


@pytest.mark.parametrize("name", [*SPREADING, *AIMED])
def test_a_smaller_budget_is_the_beginning_of_a_larger_one(name: str) -> None:
    candidates = candidates_for(name)
    whole = chosen(name, candidates)
    assert sorted(whole) == list(range(40))
    assert all(chosen(name, candidates, k) == whole[:k] for k in (1, 2, 13, 39))


@pytest.mark.parametrize(("allowance", "asked"), [(Allowance(rows=3), 3), (Allowance(tokens=25), 3)])
def test_no_more_of_an_order_is_found_than_a_budget_asks_for(allowance: Allowance, asked: int) -> None:
    """Of 25 tokens two rows of ten are taken, and the third does not fit."""
    candidates, found = replace(sample_candidates(5), tokens=np.full(5, 10)), list[int]()

    def order() -> Iterator[int]:
        for position in (4, 2, 0, 1, 3):
            found.append(position)
            yield position

    choice = stepwise(order(), candidates, allowance, path="", progress=Silent())
    assert choice.indices.tolist() == [4, 2, 0][: len(choice)]
    assert len(found) == asked


@pytest.mark.parametrize("name", AIMED)
def test_a_planted_topic_is_found(name: str) -> None:
    """A hundred of a thousand rows lie around a direction in the half of the space that the target lies in."""
    draw = np.random.default_rng(0)
    topical = np.sort(draw.choice(1000, 100, replace=False))
    vectors, aims = np.zeros((1000, 64)), np.zeros((12, 64))
    vectors[:, 32:] = draw.normal(size=(1000, 32))
    vectors[topical] = 0
    vectors[topical, :32], aims[:, :32] = draw.normal(1, 1, (100, 32)), draw.normal(1, 1, (12, 32))
    target = TargetSet(rows=np.arange(12), tasks=["a"] * 12, features={STATES: state_block(np.arange(12), aims)})
    candidates = Candidates(
        rows=np.arange(1000),
        tokens=np.full(1000, 9),
        supervised=np.full(1000, 4),
        sources=[""] * 1000,
        features={STATES: state_block(np.arange(1000), vectors)},
        target=target,
    )
    assert len(set(chosen(name, candidates, 100)) & set(topical.tolist())) > 90


def test_values_that_differ_by_rounding_tie_and_the_lowest_number_wins() -> None:
    assert first_best(np.array([1, 3, 3 * (1 + 1e-12), 2.9]), np.array([0, 5, 7, 1])) == 1
    assert first_best(np.array([-np.inf, 1e-16, 0]), np.array([1, 9, 3])) == 2
    assert first_best(np.full(3, -np.inf), np.array([4, 2, 3])) == 1


def test_centring_takes_out_what_all_share() -> None:
    points = np.array([[0.6, 0.8], [0.8, 0.6], [0.0, 0.0]])
    found = centred(points, np.array([0.6, 0.8]))
    np.testing.assert_allclose(found, [[0, 0], [np.sqrt(0.5), -np.sqrt(0.5)], [-0.6, -0.8]], atol=1e-12)


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), SEED)
def test_neighbours_are_those_of_the_definition(n: int, m: int, seed: int) -> None:
    points, queries, count = random_units(n, 3, seed), random_units(m, 3, seed + 1), 1 + seed % n
    found, squares = neighbours_of(queries, points, count, Silent(), what="")
    for query, own, apart in zip(queries, found, squares, strict=True):
        due = ((points - query) ** 2).sum(axis=1)
        np.testing.assert_allclose(apart, np.sort(due)[:count], atol=1e-6)
        np.testing.assert_allclose(due[own], apart, atol=1e-6)


# ---- full


def test_full_takes_all_rows_and_refuses_a_part_of_them() -> None:
    candidates = sample_candidates(5)
    assert chosen("full", candidates.take(np.array([3, 0, 4, 1, 2]))) == [1, 3, 4, 0, 2]
    refuse_settings(SelectSettings.from_flat({"method": "full", "budget": 1.0}))
    for part in ("10%", "500", "2M-tokens"):
        with pytest.raises(InputError, match="Give --budget 100%"):
            refuse_settings(SelectSettings.from_flat({"method": "full", "budget": part}))


# ---- k-center


def naive_k_center(points: np.ndarray, first: int) -> list[int]:
    def nearest(row: int, others: np.ndarray) -> float:
        return min(float(np.linalg.norm(points[row] - other)) for other in others)

    order = [first]
    while len(order) < len(points):
        left = [row for row in range(len(points)) if row not in order]
        order.append(max(left, key=lambda row: (round(nearest(row, points[order]), 7), -row)))
    return order


def test_the_worked_example_of_k_center() -> None:
    points, radius = angles(0, 30, 90, 180), np.zeros(4)
    assert list(farthest_first(points, 0, numbers(4), radius)) == [0, 3, 2, 1]
    np.testing.assert_allclose(radius, [2, 0, 0.5176, math.sqrt(2)], atol=5e-5)
    candidates = replace(sample_candidates(4), features={STATES: state_block(numbers(4), points)})
    assert chosen("k-center", candidates, 1) == [1], "the nearest to the mean"


@settings(deadline=None)
@given(st.integers(1, 15), SEED)
def test_k_center_is_its_definition(n: int, seed: int) -> None:
    points, radius = random_units(n, 3, seed), np.zeros(n)
    order = list(farthest_first(points, seed % n, numbers(n), radius))
    assert order == naive_k_center(points, seed % n)
    for count in range(1, n + 1):
        due = np.sqrt(squared_distances(points, points[order[:count]]).min(axis=1).max())
        np.testing.assert_allclose(radius[order[count - 1]], due, atol=1e-6)


# ---- facility location


def test_the_worked_example_of_facility_location() -> None:
    found = greedy(angles(0, 30, 90, 180), 3, objective=FacilityLocation())
    assert found.indices.tolist() == [1, 3, 2]
    np.testing.assert_allclose(found.gains, [2.366, 1, 0.5], atol=5e-4)
    np.testing.assert_allclose(found.gains.sum(), 3.866, atol=5e-4)


def test_facility_location_is_naive_greedy_on_centred_states() -> None:
    candidates = candidates_for("facility-location")
    found = choice_of("facility-location", candidates, 9)
    due = naive(_centred_responses(candidates), 9, objective=FacilityLocation())
    assert found.indices.tolist() == due.indices.tolist()
    np.testing.assert_allclose(found.columns["coverage"], due.gains)


def _centred_responses(candidates: Candidates) -> np.ndarray:
    vectors = candidates.features[STATES].features[:, 12:24].astype(np.float64)  # the second of four means
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rest = unit - unit.mean(axis=0)
    return rest / np.linalg.norm(rest, axis=1, keepdims=True)


# ---- DPP


def naive_dpp(points: np.ndarray, gamma: float) -> tuple[list[int], list[float]]:
    """What each row adds to the determinant, from the determinant."""
    apart = ((points[:, None] - points) ** 2).sum(axis=2)
    kernel = np.exp(-gamma * apart)
    order, found, whole = list[int](), list[float](), 1.0
    while len(order) < len(points):
        left = [row for row in range(len(points)) if row not in order]
        gains = {row: np.linalg.det(kernel[np.ix_([*order, row], [*order, row])]) / whole for row in left}
        pick = max(left, key=lambda row: (round(gains[row], 9), -row))
        if gains[pick] < 1e-6:
            break
        order.append(pick)
        found.append(gains[pick])
        whole *= gains[pick]
    return order, found


def test_the_worked_example_of_the_dpp() -> None:
    variance = np.zeros(4)
    order = list(most_unlike(angles(0, 10, 60, 180), 1.0, numbers(4), variance))
    assert order[:3] == [0, 3, 2]
    np.testing.assert_allclose(variance[[0, 3, 2]], [1, 0.9997, 0.8628], atol=5e-5)
    np.testing.assert_allclose(np.log(variance[[0, 3, 2]]).sum(), -0.1479, atol=5e-4)


@settings(deadline=None)
@given(st.integers(1, 9), SEED)
def test_the_dpp_is_greedy_on_determinants(n: int, seed: int) -> None:
    points, variance = random_units(n, 5, seed), np.zeros(n)
    order = list(most_unlike(points, 1.0, numbers(n), variance))
    due, gains = naive_dpp(points, 1.0)
    assert order[: len(due)] == due
    np.testing.assert_allclose(variance[due], gains, rtol=1e-6)


def test_the_factor_of_the_dpp_goes_on_over_its_stretches() -> None:
    points, variance = np.random.default_rng(0).normal(size=(150, 40)), np.zeros(150)
    order = list(most_unlike(points, 0.02, numbers(150), variance))
    kernel = np.exp(-0.02 * ((points[:, None] - points) ** 2).sum(axis=2))
    np.testing.assert_allclose(np.log(variance).sum(), np.linalg.slogdet(kernel)[1], rtol=1e-9)
    assert sorted(order) == list(range(150))


def test_once_nothing_is_new_the_rest_is_drawn_and_counted() -> None:
    candidates = candidates_for("dpp", 20)
    doubled = replace(candidates.take(np.repeat(np.arange(20), 2)), rows=np.arange(40))
    first, other = choice_of("dpp", doubled, 30), choice_of("dpp", doubled, 30, seed=1)
    assert first.indices[:20].tolist() == other.indices[:20].tolist()
    assert first.indices[20:].tolist() != other.indices[20:].tolist()
    assert (first.columns["variance"] > 0).sum() == 20
    assert made("dpp").notes(doubled, first)[0].startswith("DPP: 10 of 30 picks were drawn at random")
    assert made("dpp").notes(doubled, choice_of("dpp", doubled, 20)) == ()


def test_the_width_of_the_kernel_is_the_median_s() -> None:
    points = random_units(50, 6, 0)
    apart = ((points[:, None] - points) ** 2).sum(axis=2)[np.triu_indices(50, 1)]
    assert kernel_width(points, numbers(50)) == pytest.approx(1 / np.median(apart))
    many = np.random.default_rng(0).normal(size=(500, 40))
    many /= np.linalg.norm(many, axis=1, keepdims=True)
    assert kernel_width(many, numbers(500)) == pytest.approx(0.5, rel=0.02), "half of random directions are √2 apart"
    moved = np.random.default_rng(1).permutation(500)
    assert kernel_width(many[moved], moved) == kernel_width(many, numbers(500))
    assert kernel_width(np.ones((3, 2)), numbers(3)) == 1


# ---- NovelSelect


def naive_novelselect(points: np.ndarray, roots: np.ndarray, first: int) -> list[int]:
    order = [first]
    while len(order) < len(points):
        left = [row for row in range(len(points)) if row not in order]

        def novelty(row: int) -> float:
            apart = sorted(
                (roots[row] + roots[pick]) * max(0.0, 1 - float(points[row] @ points[pick])) for pick in order
            )
            return sum(distance / rank for rank, distance in enumerate(apart, 1))

        order.append(max(left, key=lambda row: (round(novelty(row), 8), -row)))
    return order


def test_the_worked_example_of_novelselect() -> None:
    points = angles(0, 30, 90, 180)
    roots = np.sqrt(densities(points, Silent(), neighbours=2))
    np.testing.assert_allclose(roots, [0.9391, 1.2559, 0.8165, 0.5907], atol=5e-5)
    novelty = np.zeros(4)
    assert list(most_novel(points, roots, 0, numbers(4), novelty))[:3] == [0, 3, 2]
    np.testing.assert_allclose(novelty[[0, 3, 2]], [0, 3.0595, 2.2850 / 2], atol=5e-4)


@settings(deadline=None)
@given(st.integers(1, 12), SEED)
def test_novelselect_is_its_definition(n: int, seed: int) -> None:
    points, roots = random_units(n, 3, seed), np.random.default_rng(seed).random(n) + 0.5
    assert list(most_novel(points, roots, seed % n, numbers(n), np.zeros(n))) == naive_novelselect(
        points, roots, seed % n
    )


def test_copies_count_once_in_a_density() -> None:
    points = np.array([[0.0, 0], [0, 0], [1, 0], [0, 2]])
    found = densities(points, Silent(), neighbours=1)
    np.testing.assert_allclose(found, [1, 1, 1, 1 / 4], rtol=1e-6)
    np.testing.assert_allclose(densities(np.ones((3, 2)), Silent()), np.full(3, 1e9))


def test_novelselect_takes_densities_of_states_at_their_own_length() -> None:
    candidates = candidates_for("novelselect")
    longer = candidates.features[STATES]
    stretched = {**longer.columns, LAST.length: longer[LAST.length] * np.linspace(1, 9, 40)}
    moved = replace(candidates, features={STATES: replace(longer, columns=stretched)})
    assert chosen("novelselect", moved) != chosen("novelselect", candidates)


# ---- DEITA


def test_the_worked_example_of_deita() -> None:
    points, threshold = units((1, 0), (1, 0.3), (0, 1), (0.3, 1)), np.zeros(4)
    order = list(unlike_better(points, np.array([3, 0, 1, 2]), threshold))
    assert order == [3, 0, 1, 2]
    assert threshold.tolist() == [0.9, 0.96, 0.96, 0.9], "1 and 2 have a cosine of .9578 with 0 and 3"


def naive_deita(points: np.ndarray, ranking: list[int]) -> list[int]:
    kept = list[int]()
    for most in (0.9, 0.92, 0.94, 0.96, 0.98, 2.0):
        for row in ranking:
            if row not in kept and all(points[row] @ points[other] <= most for other in kept):
                kept.append(row)
    return kept


@settings(deadline=None)
@given(st.integers(1, 25), SEED)
def test_deita_is_its_definition(n: int, seed: int) -> None:
    points, ranking = random_units(n, 2, seed), np.random.default_rng(seed).permutation(n)
    assert list(unlike_better(points, ranking, np.zeros(n))) == naive_deita(points, ranking.tolist())


def test_deita_tells_how_far_it_had_to_go() -> None:
    candidates = candidates_for("deita", 20)
    doubled = replace(candidates.take(np.repeat(np.arange(20), 2)), rows=np.arange(40))
    told = made("deita").notes(doubled, choice_of("deita", doubled, 25))
    assert told[0].startswith("DEITA: 5 of 25 picks have a cosine above 0.9 with a better one")
    assert "raised to 1." in told[0]
    assert not any("DEITA" in note for note in made("deita").notes(doubled, choice_of("deita", doubled, 20)))


# ---- TSDS


def test_the_worked_example_of_tsds() -> None:
    distances, densities = np.array([[0.2, 0.4, 0.9, 1.6, 1.8]]), np.array([[2.0, 1, 1, 1, 1]])

    def mass(alpha: float, scale: float) -> np.ndarray:
        return transported(distances, densities, alpha=alpha, scale=scale).mass[0]

    np.testing.assert_allclose(mass(0.5, 1), [0.2, 0.4, 0.4, 0, 0], atol=1e-12)
    np.testing.assert_allclose(mass(0.9, 1), [1 / 3, 2 / 3, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(mass(0.5, 5), [0.1429, 0.2857, 0.2857, 0.2857, 0], atol=5e-5)
    assert transported(distances, densities, alpha=0.5, scale=1).level == 2.5
    assert not transported(distances, densities).stopped


def test_the_worked_example_of_the_density() -> None:
    points = np.array([[0, 0], [0.3, 0], [2, 0]])
    np.testing.assert_allclose(crowds(points, 3, Silent()), [1.84, 1.84, 1], atol=1e-12)
    np.testing.assert_allclose(crowds(points, 1, Silent()), 1)


def naive_transport(distances: np.ndarray, shares: np.ndarray, alpha: float, scale: float) -> np.ndarray:
    """Level by level, as one would with a heap."""
    m, count = distances.shape
    events = sorted((shares[j, : k + 1].sum(), j, k) for j in range(m) for k in range(count - 1))
    costs, level = np.zeros(m), float(shares.sum(axis=1).max())
    for reached, row, place in events:
        level = reached
        own = slice(0, place + 1)
        costs[row] = (shares[row, own] * (distances[row, place + 1] - distances[row, own])).sum()
        if alpha / scale * costs.sum() >= (1 - alpha) * m:
            break
    mass = np.zeros_like(distances)
    for row in range(m):
        left = 1 / m
        for place in range(count):
            whole = shares[row, place] / (m * level)
            mass[row, place] = min(left, whole) if place < count - 1 else left
            left -= mass[row, place]
    return mass


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 8), st.floats(0.05, 0.95), st.floats(0.05, 5), SEED)
def test_the_transport_is_that_of_the_heap(m: int, count: int, alpha: float, scale: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    distances, densities = np.sort(draw.random((m, count)) * 2, axis=1), 1 + draw.integers(0, 9, (m, count)) / 3
    found = transported(distances, densities, alpha=alpha, scale=scale).mass
    np.testing.assert_allclose(found, naive_transport(distances, 1 / densities, alpha, scale), atol=1e-9)
    np.testing.assert_allclose(found.sum(), 1)


def test_a_row_is_drawn_as_often_as_it_has_mass() -> None:
    candidates = candidates_for("tsds", 12)
    whole = choice_of("tsds", candidates)
    mass = np.zeros(12)
    mass[whole.indices] = whole.columns["mass"]
    assert mass.sum() == pytest.approx(1)
    first = np.bincount([chosen("tsds", candidates, 1, seed)[0] for seed in range(2000)], minlength=12) / 2000
    assert np.abs(first - mass).max() < 4 * np.sqrt(0.25 / 2000)


def test_rows_without_mass_follow_by_their_distance_and_are_counted() -> None:
    candidates = candidates_for("tsds")
    assert candidates.target is not None
    one = replace(candidates, target=candidates.target.take(np.array([0])))
    choice = choice_of("tsds", one)
    without = choice.indices[choice.columns["mass"] == 0].tolist()
    assert 0 < len(without) < 40
    assert choice.indices[-len(without) :].tolist() == without
    points = unit_points(one, WEIGHTED)
    queries = centred(unit_points(one.target, WEIGHTED), points.mean(axis=0))
    apart = squared_distances(centred(points, points.mean(axis=0)), queries)[:, 0]
    assert (np.diff(apart[without]) > 0).all()
    assert made("tsds").notes(one, choice)[0].startswith(f"TSDS: {len(without)} of 40 picks have no mass")
    assert made("tsds").notes(one, choice_of("tsds", one, 1)) == ()


# ---- SIFT


def posterior(points: np.ndarray, aims: np.ndarray, taken: list[int]) -> float:
    """Σ over aims of the variance once rows are known, from the definition of a Gaussian process."""
    known = points[taken]
    gram = known @ known.T + 0.01 * np.eye(len(taken))
    across = aims @ known.T
    return float(((aims**2).sum(axis=1) - (across * np.linalg.solve(gram, across.T).T).sum(axis=1)).sum())


def naive_sift(points: np.ndarray, aims: np.ndarray, count: int) -> list[int]:
    taken = list[int]()
    while len(taken) < count:
        left = [row for row in range(len(points)) if row not in taken]
        taken.append(min(left, key=lambda row: (round(posterior(points, aims, [*taken, row]), 9), row)))
    return taken


def test_the_worked_example_of_sift() -> None:
    points, aims, drops = units((1, 0), (1, 0.2), (0, 1)), units((1, 0.6)), np.zeros(3)
    order = list(least_doubt(points, aims, numbers(3), drops))
    assert order == [1, 2, 0], "row 1 would be taken again if it could be"
    np.testing.assert_allclose(drops[[1, 2]], [0.8781, 0.1132], atol=5e-5)
    left = [posterior(points, aims, taken) for taken in ([1], [1, 2])]
    np.testing.assert_allclose(left, [0.1219, 0.0087], atol=1e-4)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), SEED)
def test_sift_is_its_definition(n: int, m: int, seed: int) -> None:
    points, aims, drops = random_units(n, 6, seed), random_units(m, 6, seed + 1), np.zeros(n)
    order = list(least_doubt(points, aims, numbers(n), drops))
    count = min(n, 6)
    assert order[:count] == naive_sift(points, aims, count)
    left = [posterior(points, aims, order[: count + 1]) for count in range(n)]
    np.testing.assert_allclose(m - drops[order].cumsum(), left, atol=1e-7)
