"""Information about a target, its span and the conflict with it: the definitions, and what must change nothing."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spice_select.errors import InputError
from spice_select.selection import (
    Conflict,
    GainRatio,
    TargetConflict,
    TargetInformation,
    TargetVariance,
    greedy,
    naive,
)
from spice_select.selection.objectives.ceilings import PosteriorTurn
from spice_select.selection.objectives.span import Span
from spice_select.selection.objectives.target_information import TargetInformationState
from spice_select.selection.paths import shortlist
from spice_select.selection.paths.eager import run_eager
from spice_select.testing.selection import degenerate, require_same, sample_features

ALPHAS = (1e-3, 1.0, 100.0)
TASKS = ["a", "b", "a", "c", "b"]


@pytest.fixture(params=["as it is", "short"])
def lists(request, monkeypatch):
    """Shortlists that leave most rows outside, though there are few."""
    if request.param == "short":
        monkeypatch.setattr(shortlist, "SHORTLIST", 6)
        monkeypatch.setattr(shortlist, "_NEAR", 5)


def units(kind, n, d, seed=0):
    rows = sample_features(kind, n, d, seed)
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def defined(features, chosen, target, tasks, alpha):
    """The objective in words: rows as noisy sights of the span, shares left of each task, their squares averaged."""
    basis = np.linalg.svd(target, full_matrices=False)[2]
    inside = features[chosen] @ basis.T
    noise = 1 / alpha + (features[chosen] ** 2).sum(axis=1) - (inside**2).sum(axis=1)
    F = sum((np.outer(x, x) / own for x, own in zip(inside, noise, strict=True)), np.eye(len(basis)))
    left = []
    for task in dict.fromkeys(tasks):
        Y = target[[one == task for one in tasks]] @ basis.T
        left.append(np.trace(Y @ np.linalg.inv(F) @ Y.T) / (Y * Y).sum())
    return sum(1 - share**2 for share in left) / (2 * len(left))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_value_is_that_of_the_definition(alpha):
    features, target = sample_features("heavy", 30, 9), sample_features("aniso", 5, 9, seed=4)
    objective = TargetInformation(target, TASKS, alpha=alpha)
    for chosen in ([], [3], [3, 7, 7], list(range(20))):
        assert objective.value(features, chosen) == pytest.approx(
            defined(features, chosen, target, TASKS, alpha), rel=1e-9, abs=1e-15
        )


def test_a_worked_example():
    # One task along (1, 0), one along (0, 1); a row at 45 degrees leaves of each 1 − ½·½/(1 + ½ + ½)·2 … by hand:
    # P = I − xxᵀ/2 for a unit x and α = 1, so yᵀPy = 1 − ½·½ = ¾ for either task, and F = ½(1 − 9/16) = 7/32.
    x = np.array([[1.0, 1.0]]) / np.sqrt(2)
    assert TargetInformation(np.eye(2), ["a", "b"]).value(x, [0]) == pytest.approx(7 / 32)
    # Along the first axis: ½ is left of a, all of b: F = ¼(1 − ¼) = 3/16. Balance prefers the row between.
    assert TargetInformation(np.eye(2), ["a", "b"]).value(np.eye(2), [0]) == pytest.approx(3 / 16)


def compare(features, k, **options):
    found = greedy(features, k, **options)
    require_same(found, naive(features, k, **options), str(options))
    assert found.stats.path == ("eager" if options.get("penalty") else "shortlist")
    return found


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("kind", ["iso", "aniso", "heavy"])
@pytest.mark.parametrize("penalty", ["none", "conflict", "target"])
@pytest.mark.usefixtures("lists")
def test_the_fast_state_picks_what_naive_picks(kind, alpha, penalty):
    target = sample_features("aniso", 5, 12, seed=9)
    features = degenerate(units(kind, 150, 12), seed=3)
    chosen = {"none": None, "conflict": Conflict(0.1), "target": TargetConflict(target, 0.1)}[penalty]
    compare(features, 100, objective=TargetInformation(target, TASKS, alpha=alpha), penalty=chosen)


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 24),
    d=st.integers(1, 8),
    m=st.integers(1, 6),
    q=st.integers(1, 3),
    alpha=st.sampled_from(ALPHAS),
    weight=st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("lists")
def test_drawn_cases_agree_with_the_oracle(seed, n, d, m, q, alpha, weight):
    rng = np.random.default_rng(seed)
    features = degenerate(rng.standard_normal((n, d)), seed)
    target = rng.standard_normal((m, d))
    target[rng.integers(m, size=m // 3)] = target[0]
    if m > q:
        target[-1] = 0.0
    tasks = [str(row % q) for row in range(m)]
    if not all(target[[own == task for own in tasks]].any() for task in set(tasks)):
        return
    penalty = TargetConflict(target, weight) if weight else None
    compare(features, n, objective=TargetInformation(target, tasks, alpha=alpha), penalty=penalty)


@pytest.mark.parametrize("tasks", [None, (TASKS * 2)[:9]])
def test_no_row_gains_more_than_its_ceiling_however_far_it_has_turned(tasks):
    features, target = units("heavy", 400, 12), sample_features("aniso", 9, 12, seed=5)
    objective = TargetInformation(target, tasks, alpha=30.0)
    ceilings, state, every = objective.ceilings(features), objective.state(features), np.arange(400)
    seen, rng = 0, np.random.default_rng(0)
    for size in (1, 3, 10, 30, 60):
        rows = rng.permutation(400)[:size]
        inner = TargetInformationState(ceilings.whitened(every), ceilings.spreads, 30.0)
        for row in rows.tolist():
            state.add(row)
            inner.add(row)
            counted = ceilings.unturned.further(inner.turned, inner.drawn)
            measured = ceilings.turn(inner.P)
            assert counted.turned >= measured.turned - 1e-9
            assert counted.kept <= measured.kept + 1e-9
            for turn in (counted, measured):
                assert (ceilings.after(turn) >= state.gains(every) * (1 - 1e-12)).all()
        ceilings.absorb(rows, inner.P)
        assert (ceilings.after(ceilings.unturned) >= state.gains(every) * (1 - 1e-12)).all()
        ceilings.refresh(every[seen:])
        fresh, gains = ceilings.after(ceilings.unturned)[seen:], state.gains(every)[seen:]
        if tasks is None:
            np.testing.assert_allclose(fresh, gains, rtol=1e-6)
        taken = 30.0 * state._reach / (1.0 + 30.0 * state._leverage)
        assert (fresh <= (gains + (taken**2).mean(axis=0)[seen:] / 2) * (1 + 1e-6)).all()  # Σ r_τδ_τ/q
        seen += 40  # these are stale from now on


def test_a_ceiling_that_rows_share_is_above_that_of_each_however_far_p_turns():
    rng = np.random.default_rng(2)
    for seed, alpha in enumerate(ALPHAS * 4):
        features, target = sample_features("heavy", 60, 8, seed), sample_features("aniso", 5, 8, seed)
        ceilings = TargetInformation(target, TASKS, alpha=alpha).ceilings(features)
        prices, rows = rng.uniform(0.5, 3.0, 60), rng.random(60) < 0.5
        at = PosteriorTurn(turned=rng.random() / 100, kept=0.9)
        shared = ceilings.together(rows, (ceilings.after(at) / prices)[rows].max(), at, prices)
        for size, kept in ((0.0, 0.95), (0.0, 0.9), (1e-3, 0.8), (0.1, 0.5), (10.0, 0.0)):
            turn = PosteriorTurn(turned=at.turned + size * rng.random(), kept=kept)
            assert shared.after(turn) >= (ceilings.after(turn) / prices)[rows].max()


@pytest.mark.parametrize("bound", ["quotas", "prices", "a forced start", "a stop"])
def test_a_shortlist_heeds_what_binds(monkeypatch, bound):
    monkeypatch.setattr(shortlist, "SHORTLIST", 20)
    monkeypatch.setattr(shortlist, "_NEAR", 20)
    features, target = degenerate(units("heavy", 500, 16)), sample_features("aniso", 6, 16, seed=5)
    options = {
        "quotas": {"groups": ["ab"[row % 2] for row in range(500)], "quotas": {"a": (30, 40)}},
        "prices": {"costs": np.random.default_rng(0).integers(1, 50, 500), "per_cost": 0.5},
        "a forced start": {"initial": [7, 3, 11], "forced": [9, 400], "excluded": [2]},
        "a stop": {"stop": GainRatio(0.05)},
    }[bound]
    objective = TargetInformation(target)
    found = greedy(features, 90, objective=objective, **options)
    require_same(found, greedy(features, 90, objective=objective, **options, path=run_eager), bound)
    assert found.stats.path == "shortlist"


@pytest.mark.parametrize("alpha", ALPHAS)
def test_with_one_task_in_whose_span_all_lies_it_is_i_optimality(alpha):
    features, target = units("heavy", 80, 6), sample_features("iso", 40, 6, seed=1)
    here = greedy(features, 30, objective=TargetInformation(target, alpha=alpha))
    assert here.indices.tolist() == greedy(features, 30, objective=TargetVariance(alpha, target)).indices.tolist()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_first_gain_is_that_in_all_dimensions(alpha):
    features, target = sample_features("heavy", 50, 40), sample_features("aniso", 4, 40, seed=2)
    whole = TargetVariance(alpha, target).gains(features, [], np.arange(50)) / (target**2).sum()
    seen = TargetInformation(target, alpha=alpha)
    np.testing.assert_allclose(seen.gains(features, [], np.arange(50)), whole - whole**2 / 2, rtol=1e-9)


def test_the_span_keeps_lengths_within_and_blurs_by_what_lies_without():
    target = np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 1.0, 0]])
    span = Span.of(target, 0.5)
    assert span.basis.shape == (3, 2)
    np.testing.assert_allclose(np.abs(span.basis.T @ span.basis), np.eye(2), atol=1e-12)
    seen = span.seen(np.array([[3.0, 4.0, 0.0], [3.0, 4.0, 2.0], [0.0, 0.0, 5.0]]))
    assert (seen**2).sum(axis=1) == pytest.approx([25.0, 25.0 / (1 + 0.5 * 4), 0.0])


@pytest.mark.parametrize("alpha", ALPHAS)
def test_order_of_rows_and_tasks_and_a_task_repeated_in_full_change_nothing(alpha):
    features, target = units("aniso", 60, 10), sample_features("iso", 5, 10, seed=6)

    def picks(rows, tasks):
        return greedy(features, 25, objective=TargetInformation(target[rows], tasks, alpha=alpha)).indices.tolist()

    expected, order = picks(range(5), TASKS), [4, 2, 0, 3, 1]
    assert picks(order, [TASKS[row] for row in order]) == expected
    assert picks(range(5), [{"a": "z", "b": "y", "c": "x"}[task] for task in TASKS]) == expected
    assert picks([*range(5), 0, 2], [*TASKS, "a", "a"]) == expected, "a task's rows twice over are its rows"
    assert picks([*range(5), 3], [*TASKS, "c"]) == expected


def test_the_task_that_is_served_worst_counts_most():
    # Many rows along the first task, few along the second: without balance the second would get one in ten.
    rng = np.random.default_rng(0)
    target = np.vstack([np.eye(8)[:1].repeat(9, axis=0), np.eye(8)[1:2]])
    tasks = ["many"] * 9 + ["one"]
    features = np.vstack(
        [np.eye(8)[0] + 0.1 * rng.standard_normal((20, 8)), np.eye(8)[1] + 0.1 * rng.standard_normal((20, 8))]
    )
    picks = greedy(features, 10, objective=TargetInformation(target, tasks)).indices
    assert (picks < 20).sum() == 5
    alone = greedy(features, 10, objective=TargetInformation(target)).indices
    assert (alone < 20).sum() > 6


def test_two_rows_may_only_together_tell_of_the_target():
    target = np.array([[0.0, 1.0], [1.0, 0.0]])
    features = np.array([[10.0, 1.0], [10.0, 0.0]])
    objective = TargetInformation(target, ["wanted", "long"])
    alone = objective.gains(features, [], np.array([0]))[0]
    after = objective.left(features, [1])["wanted"] - objective.left(features, [1, 0])["wanted"]
    before = 1 - objective.left(features, [0])["wanted"]
    assert after > 5 * before
    assert alone > 0


def test_conflict_with_the_target_is_the_greater_hinge():
    target = np.array([[0.0, 1.0], [0.0, 3.0]])
    features = np.array([[1.0, 0.0], [1.0, -1.0], [-1.0, 0.0], [0.0, -2.0], [0.0, 0.0]])
    penalty = TargetConflict(target)
    assert penalty.values(features, [], np.arange(5)).tolist() == [0.0] * 5, "the first pick has none"
    found = penalty.values(features, [0], np.arange(5))
    assert found == pytest.approx([0.0, np.sqrt(0.5), 1.0, 1.0, 0.0], abs=1e-7)
    state = penalty.state(features)
    state.add(0)
    np.testing.assert_allclose(state.values(np.arange(5)), found, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TargetInformation(np.ones((2, 3)), ["a"]), "1 tasks for 2 rows"),
        (lambda: TargetInformation(np.array([[1.0], [0.0]]), ["a", "b"]), "task 'b' is zero"),
        (lambda: TargetInformation(np.empty((0, 3))), "target of shape"),
        (lambda: TargetInformation(np.array([[np.inf]])), "target of shape"),
        (lambda: TargetInformation(np.ones((1, 2)), alpha=0), "alpha=0"),
        (lambda: TargetConflict(np.ones(3)), "target of shape"),
        (lambda: TargetConflict(np.ones((1, 3)), -1), "weight=-1"),
        (lambda: greedy(np.ones((4, 2)), 1, objective=TargetInformation(np.ones((1, 3)))), "target with 3 columns"),
        (
            lambda: greedy(np.ones((4, 2)), 2, penalty=TargetConflict(np.ones((1, 3)))),
            "target with 3 columns",
        ),
    ],
)
def test_what_is_no_target_is_named(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_rows_that_tell_nothing_of_the_target_tie_and_come_in_their_order() -> None:
    draw = np.random.default_rng(0)
    basis = np.linalg.qr(draw.normal(size=(12, 12)))[0]
    target, across = draw.normal(size=(3, 4)) @ basis[:4], draw.normal(size=(9, 8)) @ basis[4:]
    picks = greedy(across, 9, objective=TargetInformation(target=target)).indices
    assert picks.tolist() == list(range(9))


@pytest.mark.parametrize("make", [TargetInformation, TargetConflict, lambda target: TargetVariance(target=target)])
@pytest.mark.parametrize(
    ("target", "words"),
    [
        (np.ma.masked_greater(np.eye(3), 0.5), "target with masked entries"),
        (np.eye(3) * 1j, "dtype complex128"),
        (np.eye(3).astype(str), "dtype <U32"),
        (np.eye(3) * 1e200, "squared length is beyond float64"),
        (np.empty((0, 3)), "target of shape"),
        (np.empty((3, 0)), "target of shape"),
    ],
)
def test_a_target_is_held_to_what_features_are(make, target, words) -> None:
    with pytest.raises(InputError, match=words):
        make(target)


def test_tasks_of_a_tensor_are_what_they_say() -> None:
    torch = pytest.importorskip("torch")
    target = np.eye(4)
    assert TargetInformation(target, torch.tensor([0, 1, 0, 1])).tasks == [0, 1, 0, 1]
    trained = torch.eye(4, dtype=torch.bfloat16, requires_grad=True)
    np.testing.assert_array_equal(TargetInformation(trained).target, target)
