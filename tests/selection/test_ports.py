"""Objectives, penalties and stopping rules keep what they declare; the suites refute those that do not."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from spice_select.errors import InputError
from spice_select.selection import (
    Conflict,
    DiagonalLogDet,
    FacilityLocation,
    GainRatio,
    LogDet,
    MatchedStep,
    NextPick,
    Penalty,
    PredictedDrop,
    SquaredInnerProduct,
    TargetConflict,
    TargetInformation,
    TargetVariance,
    greedy,
)
from spice_select.testing.selection import ConformanceError, check_objective, check_penalty, degenerate, sample_features

OBJECTIVES = [
    LogDet(),
    LogDet(1e4),
    DiagonalLogDet(0.3),
    FacilityLocation(),
    TargetVariance(),
    TargetVariance(0.5, target=np.ones((2, 4))),
    TargetInformation(sample_features("aniso", 3, 4, seed=8), ["a", "b", "a"], alpha=0.5),
    TargetInformation(sample_features("aniso", 6, 4, seed=8)),
    MatchedStep(target=sample_features("aniso", 3, 4, seed=8), tasks=["a", "b", "a"]),
    PredictedDrop(sample_features("aniso", 3, 4, seed=8), 0.3),
]
PENALTIES = [Conflict(), Conflict(2.0, eta=1e-4), SquaredInnerProduct(0.3, alpha=2.0)]


@pytest.mark.parametrize("objective", OBJECTIVES[:-5], ids=str)
def test_objectives_conform(objective):
    check_objective(objective)


@pytest.mark.parametrize("objective", OBJECTIVES[-5:], ids=str)
@pytest.mark.parametrize("kind", ["iso", "heavy", "grid"])
def test_an_objective_with_its_own_target_conforms(objective, kind):
    check_objective(objective, features=degenerate(sample_features(kind, 12, 4)))


def test_a_penalty_with_its_own_target_conforms():
    target = sample_features("aniso", 3, 4, seed=8)
    check_penalty(TargetConflict(target, 0.3), features=degenerate(sample_features("iso", 12, 4)))


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_penalties_conform(penalty):
    check_penalty(penalty)


@dataclass(frozen=True, eq=False)
class ClaimsToBeSubmodular(TargetVariance):
    submodular: ClassVar[bool] = True


def test_target_variance_is_not_submodular_and_the_suite_finds_it():
    with pytest.raises(ConformanceError, match="declared submodular"):
        check_objective(ClaimsToBeSubmodular(), trials=400)


def test_target_variance_grows_for_a_pair_that_only_together_resolves_the_target():
    # The target lies between two long rows that share a long nuisance direction.
    features = np.array([[10.0, 1.0], [10.0, 0.0]])
    objective = TargetVariance(target=np.array([[0.0, 1.0]]))
    alone = objective.gains(features, [], np.array([0]))[0]
    together = objective.gains(features, [1], np.array([0]))[0]
    assert together > 5 * alone


class FourthPowers(DiagonalLogDet):
    """A score that adds g⁴: the gain of no set function."""

    def gains(self, features, indices, candidates):
        mass = 1.0 + (np.asarray(features)[np.asarray(indices, dtype=int)] ** 4).sum(axis=0)
        return np.log1p(np.asarray(features)[candidates] ** 2 / mass).sum(axis=1)


def test_a_score_that_is_no_set_function_is_refuted():
    with pytest.raises(ConformanceError, match="values differ"):
        check_objective(FourthPowers())


class Rewarding(Conflict):
    def values(self, features, indices, candidates):
        return super().values(features, indices, candidates) - 0.1 * (len(indices) > 0)

    def state(self, features):
        outer, chosen = self, []

        class State:
            def values(self, rows):
                return outer.values(features, chosen, rows)

            def add(self, row):
                chosen.append(row)

        return State()


def test_a_negative_penalty_is_refuted_and_refused():
    with pytest.raises(ConformanceError, match="negative penalty"):
        check_penalty(Rewarding())
    with pytest.raises(InputError, match=r"Rewarding gave -0\.1 for row"):
        greedy(sample_features("iso", 20, 4), 5, penalty=Rewarding(), objective=DiagonalLogDet())
    with pytest.raises(InputError, match="Rewarding gave"):
        greedy(sample_features("iso", 20, 4), 5, penalty=Rewarding())


def test_log_det_agrees_with_the_determinant_on_both_sides():
    features = sample_features("heavy", 30, 7)
    for rows in (range(3), range(7), range(25)):
        G = features[list(rows)]
        expected = np.linalg.slogdet(np.eye(7) + 0.7 * G.T @ G)[1]
        assert LogDet(0.7).value(features, list(rows)) == pytest.approx(expected, rel=1e-12)


def test_target_variance_agrees_with_the_inverse():
    G, T = sample_features("heavy", 9, 5), sample_features("iso", 4, 5, seed=3)
    P = np.linalg.inv(np.eye(5) + 0.7 * G[:6].T @ G[:6])
    expected = np.trace(T @ T.T) - np.trace(T @ P @ T.T)
    assert TargetVariance(0.7, target=T).value(G, range(6)) == pytest.approx(expected, rel=1e-12)


def test_diagonal_information_bounds_information_from_above():
    G = sample_features("aniso", 40, 8)
    assert DiagonalLogDet(0.5).value(G, range(20)) >= LogDet(0.5).value(G, range(20))


def test_conflict_is_the_hinge_on_the_cosine_with_the_mean():
    G = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [-1.0, -1.0], [0.0, 0.0]])
    assert Conflict().values(G, [0], np.arange(5)) == pytest.approx([0.0, 1.0, 0.0, np.sqrt(0.5), 0.0], abs=1e-7)
    assert Conflict().values(G, [0, 1], np.arange(5)).tolist() == [0.0] * 5  # the mean of opposites points nowhere


def test_squared_inner_products_do_not_see_the_sign():
    G = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    values = SquaredInnerProduct().values(G, [0], np.arange(3))
    assert values[0] == values[1] == pytest.approx(4.0 / 3.0)
    assert values[2] == 0.0


def test_gain_ratio_stops_on_the_gain_not_on_the_score():
    rule = GainRatio(0.5)
    assert rule.check(NextPick(picked=3, gain=0.6, score=-9.0, first_gain=1.0)) is None
    assert rule.check(NextPick(picked=3, gain=0.5, score=9.0, first_gain=1.0)).reason == "gain_ratio"
    assert rule.check(NextPick(picked=0, gain=0.0, score=0.0, first_gain=0.0)) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogDet(0),
        lambda: DiagonalLogDet(-1.0),
        lambda: TargetVariance(float("nan")),
        lambda: LogDet("1"),
        lambda: LogDet(None),
        lambda: LogDet(True),
    ],
)
def test_alpha_must_be_positive(make):
    with pytest.raises(InputError, match=r"alpha=.*finite number above 0"):
        make()


def test_numbers_of_numpy_are_numbers():
    G = np.random.default_rng(0).standard_normal((40, 6)) * 5
    found = greedy(G, 3, objective=LogDet(np.float32(1)), penalty=Conflict(np.float32(0.5)), stop=GainRatio(np.int8(0)))
    assert found.indices.tolist() == greedy(G, 3, penalty=Conflict(0.5)).indices.tolist()


def test_an_objective_must_say_whether_it_is_submodular():
    class Silent(LogDet):
        submodular = None

    with pytest.raises(InputError, match="Silent does not say whether it is submodular"):
        greedy(np.eye(3), 1, objective=Silent())


def test_weights_ratios_and_targets_out_of_range_are_refused():
    with pytest.raises(InputError, match="weight='a'"):
        Conflict("a")
    with pytest.raises(InputError, match=r"weight=-0\.1"):
        Conflict(-0.1)
    with pytest.raises(InputError, match="omega=1"):
        GainRatio(1.0)
    with pytest.raises(InputError, match="target of shape"):
        TargetVariance(target=np.array([[np.nan]]))
    with pytest.raises(InputError, match="target with 3 columns"):
        greedy(np.ones((4, 2)), 1, objective=TargetVariance(target=np.ones((1, 3))))


def test_ports_cannot_be_left_half_done():
    with pytest.raises(TypeError, match="abstract"):
        Penalty()


@pytest.mark.parametrize("alpha", [1.0, 1e4, 1e8, 1e12])
def test_information_keeps_its_digits_where_rows_are_long_and_repeated(alpha):
    rows = np.random.default_rng(0).standard_normal((60, 40))
    rows[30:] = rows[:30]
    picks = greedy(rows, 50, objective=LogDet(alpha))
    assert LogDet(alpha).value(rows, picks.indices) == pytest.approx(picks.gains.sum(), rel=1e-10)
