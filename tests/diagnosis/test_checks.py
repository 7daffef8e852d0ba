"""The sceptic's list passes on sound runs, fails on doctored ones, and random is compared fairly."""

from dataclasses import replace

import numpy as np
import pytest

from spice_select.diagnosis import run_checks, versus_random
from spice_select.errors import InputError
from spice_select.selection import Conflict, LogDet, greedy, pools

from .examples import information

ROWS = np.random.default_rng(0).standard_normal((200, 16)).astype(np.float32)


def results(features, selection, objective=None, **options):
    return {c.name: c for c in run_checks(features, selection, objective or LogDet(), **options)}


@pytest.mark.parametrize(
    "selection",
    [
        greedy(ROWS, 20),
        greedy(ROWS, 20, penalty=Conflict(weight=0.5)),
        pools(ROWS, 20, pool_size=50, penalty=Conflict(weight=0.1)),
    ],
    ids=["global", "penalty", "pools"],
)
def test_nothing_is_refuted_on_a_sound_run(selection):
    found = results(ROWS, selection)
    claims = set(found) - {"ε follows the conflict", "conflict lowers the gain"}  # findings, not laws
    assert not [name for name in claims if found[name].passed is False]
    assert found["submodular and monotone"].passed
    assert found["gains add up"].value < 1e-8
    assert found["certificate"].value > 0.632


@pytest.mark.parametrize(
    ("field", "change", "fails"),
    [
        ("gains", 1e-3, "gains add up"),
        ("bases", 1e-3, "recorded numbers"),
        ("conflicts", 1e-3, "recorded numbers"),
    ],
)
def test_a_wrong_record_is_noticed(field, change, fails):
    sound = greedy(ROWS, 20)
    wrong = replace(sound, **{field: getattr(sound, field) + change})
    assert results(ROWS, wrong)[fails].passed is False


def test_a_function_that_is_not_submodular_is_refuted():
    class Squared(LogDet):
        def value(self, features, indices):
            return super().value(features, indices) ** 2

    found = results(ROWS, greedy(ROWS, 20), Squared())
    assert found["submodular and monotone"].passed is False
    assert found["submodular and monotone"].value > 50


def test_the_least_informative_rows_lose_to_random():
    order = np.argsort((ROWS**2).sum(axis=1))[:20]
    worst = greedy(ROWS[order], 20)
    found = results(ROWS, replace(worst, indices=order[worst.indices]))
    assert found["more than random"].passed is False
    assert found["more than random"].value < -3


def test_random_draws_have_the_size_of_the_selection_and_a_seed():
    picks = greedy(ROWS, 20)
    found = versus_random(ROWS, picks, LogDet(), draws=30, seed=1)
    assert found.information == pytest.approx(information(ROWS, picks.indices))
    assert found.min <= found.mean <= found.max < found.information
    assert found.z == pytest.approx((found.information - found.draws.mean()) / found.draws.std(ddof=1))
    again = versus_random(ROWS, picks, LogDet(), draws=30, seed=1)
    assert (found.draws == again.draws).all()
    assert (versus_random(ROWS, picks, LogDet(), draws=10, seed=1).draws == found.draws[:10]).all()
    assert not (versus_random(ROWS, picks, LogDet(), draws=30, seed=2).draws == found.draws).any()


def test_a_draw_is_worth_what_the_definition_says():
    picks = greedy(ROWS, 40)
    draw = np.random.default_rng((5, 0)).choice(200, 40, replace=False)
    assert versus_random(ROWS, picks, LogDet(2.0), draws=2, seed=5).draws[0] == pytest.approx(
        information(ROWS, draw, 2.0)
    )


def test_where_every_choice_is_worth_the_same_random_is_no_opponent():
    rows = np.ones((30, 4))
    found = results(rows, greedy(rows, 3))["more than random"]
    assert found.passed is None
    assert np.isnan(found.value)
    assert "all worth the same" in found.sentence


def test_too_few_draws_or_chains_are_refused():
    with pytest.raises(InputError, match="draws is 1"):
        versus_random(ROWS, greedy(ROWS, 5), LogDet(), draws=1)
    with pytest.raises(InputError, match="chains is 0"):
        run_checks(ROWS, greedy(ROWS, 5), LogDet(), chains=0)


def test_tiny_and_zero_pools_are_judged_without_noise():
    one = results(np.ones((1, 2)), greedy(np.ones((1, 2)), 1))
    assert one["submodular and monotone"].passed is None
    zero = results(np.zeros((4, 2)), greedy(np.zeros((4, 2)), 2))
    assert zero["greedy against all subsets"].passed is None
    assert zero["gains add up"].passed


@pytest.mark.parametrize("scale", [1e4, 1e8, 1e10])
def test_equal_rows_of_any_size_leave_random_draws_finite(scale):
    rows = np.repeat(np.random.default_rng(1).standard_normal((15, 12)), 2, axis=0) * scale
    for k in (10, 20):
        found = versus_random(rows, greedy(rows, k), LogDet())
        assert np.isfinite(found.draws).all()
        draw = np.random.default_rng((0, 0)).choice(30, k, replace=False)
        assert found.draws[0] == pytest.approx(information(rows, draw), rel=1e-7)


def test_a_correlation_that_chance_explains_is_no_finding():
    verdicts = []
    for seed in range(9, 15):  # of the 12th the correlation is more than chance explains
        rows = np.random.default_rng(seed).standard_normal((60, 8))
        picks = greedy(rows, 12)
        check = results(rows, picks, chains=1, draws=2)["ε follows the conflict"]
        known = not np.isnan(check.value)
        assert (check.passed is None) == (not known or abs(check.value) <= 1.96 / np.sqrt(10))
        assert ("tells nothing" in check.sentence) == (known and check.passed is None)
        verdicts.append(check.passed)
    assert None in verdicts
    assert len(set(verdicts)) > 1


def test_a_guarantee_is_rounded_down_and_less_proven_refutes_nothing():
    rows = np.random.default_rng(2).standard_normal((120, 4))
    far = np.argsort((rows**2).sum(axis=1))[:20]
    found = results(rows, replace(greedy(rows[far], 20), indices=far), LogDet(0.1))
    assert found["certificate"].value < 0.63
    assert found["certificate"].passed is None
    stated = float(found["curvature"].sentence.split("guaranteed ")[1].split(" %")[0]) / 100
    c = found["curvature"].value
    assert stated <= (1 - np.exp(-c)) / c < stated + 0.001


def test_a_choice_as_good_as_the_best_draw_to_rounding_does_not_lose_to_it():
    rows = np.repeat(np.random.default_rng(0).standard_normal((30, 40)), 2, axis=0) * 100
    found = results(rows, greedy(rows, 50, objective=LogDet(1e8)), LogDet(1e8), chains=1)
    assert found["more than random"].passed


def test_progress_counts_the_choice_and_every_random_draw():
    told: list[int] = []
    versus_random(ROWS, greedy(ROWS, 5), LogDet(), draws=4, progress=told.append)
    assert told == [1] * 5


def test_a_bound_that_applies_nowhere_is_not_said_to_have_held():
    found = results(ROWS, greedy(ROWS, 20))["the published bound"]
    assert found.passed is None
    assert found.sentence.endswith("held at 0 of 19 picks; it says nothing here.")
    faint = results(ROWS * 0.01, greedy(ROWS * 0.01, 20))["the published bound"]
    assert faint.passed is True
    assert faint.sentence.endswith("violated at 0 of these.")
