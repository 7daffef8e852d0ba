"""The conformance suites pass what keeps its promises and refute each way of breaking one, with the counterexample."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from spice_select.errors import InputError
from spice_select.selection import Conflict, DiagonalLogDet, LogDet, Objective, Penalty, naive
from spice_select.testing.selection import ConformanceError, check_objective, check_penalty, check_selector


class Follows:
    """A state that asks the definition again, so that the definition alone is under test."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask, self._chosen = ask, []

    def gains(self, rows):
        return self._ask(self._chosen, rows)

    values = gains

    def add(self, row):
        self._chosen.append(row)


class Weighs(Objective):
    """The number of picks: modular, and as simple as an objective can be."""

    monotone: ClassVar[bool] = True
    submodular: ClassVar[bool] = True

    def value(self, features, indices):
        return float(len(indices))

    def state(self, features):
        return Follows(lambda chosen, rows: self.gains(features, chosen, rows))


class Undeclared(Weighs):
    monotone = None


class Shifted(Weighs):
    def value(self, features, indices):
        return len(indices) + 1.0


class Ordered(Weighs):
    def value(self, features, indices):
        return len(indices) + (0.1 * float(indices[0]) if len(indices) else 0.0)


class Shrinking(Weighs):
    def value(self, features, indices):
        return -float(len(indices))


class Growing(Weighs):
    def value(self, features, indices):
        return float(len(indices)) ** 2


class Placed(Weighs):
    def gains(self, features, indices, candidates):
        return super().gains(features, indices, candidates) + np.arange(len(candidates))


class Column(Weighs):
    def gains(self, features, indices, candidates):
        return super().gains(features, indices, candidates)[:, None]


class StateOff(Weighs):
    def state(self, features):
        return Follows(lambda chosen, rows: np.full(len(rows), 2.0))


def test_a_sound_objective_of_ones_own_passes():
    check_objective(Weighs())
    check_objective(DiagonalLogDet(), features=np.eye(3, dtype=np.float16))


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (Undeclared(), "does not declare `monotone`"),
        (Shifted(), "value of the empty set"),
        (Ordered(), "one set in two orders"),
        (Shrinking(), "declared monotone"),
        (Growing(), "declared submodular"),
        (Placed(), r"alone 1\.0, among"),
        (Column(), r"shape \(1, 1\), not \(1,\)"),
        (StateOff(), "state after"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_an_objective_that_breaks_a_promise_is_refuted(objective, words):
    with pytest.raises(ConformanceError, match=words):
        check_objective(objective)


class Made(Penalty):
    def __init__(self, values: Callable[..., Any], weight: Any = 1.0) -> None:
        self._values, self.weight = values, weight

    def values(self, features, indices, candidates):
        return self._values(indices, candidates)

    def state(self, features):
        return Follows(self._values)


def of_rows(indices, candidates):
    return np.asarray(candidates) * float(len(indices) > 0)


def test_a_sound_penalty_of_ones_own_passes():
    check_penalty(Made(of_rows))


@pytest.mark.parametrize(
    ("penalty", "words"),
    [
        (Made(of_rows, weight=-1.0), "weight is -1.0"),
        (Made(of_rows, weight=None), "weight is None"),
        (Made(lambda s, c: np.ones(len(c))), "empty set are not all 0"),
        (Made(lambda s, c: of_rows(s, c) - 1.0 * (len(s) > 0)), "negative penalty"),
        (Made(lambda s, c: np.full(len(c), np.nan if len(s) else 0.0)), "negative penalty nan|nan"),
        (Made(lambda s, c: np.float64(len(s) > 0)), r"shape \(\), not"),
        (Made(lambda s, c: [0.0] * len(c)), "shape list"),
        (Made(lambda s, c: np.zeros(3)), r"shape \(3,\)"),
        (Made(lambda s, c: np.full(len(c), float(s[0]) if len(s) else 0.0)), "the set .* as "),
        (Made(lambda s, c: np.arange(len(c)) * float(len(s) > 0)), "the set .* as "),
    ],
)
def test_a_penalty_that_breaks_a_promise_is_refuted(penalty, words):
    with pytest.raises(ConformanceError, match=words):
        check_penalty(penalty)


def changes(**fields):
    def select(features, k, **options):
        found = naive(features, k, **options)
        return replace(found, **{name: change(getattr(found, name)) for name, change in fields.items()})

    return select


def scribbles(features, k, **options):
    found = naive(features, k, **options)
    features *= 2
    return found


@pytest.mark.parametrize(
    ("select", "words"),
    [
        (changes(indices=lambda rows: rows[::-1]), "pick 0 is row"),
        (changes(gains=lambda gains: gains * 1.001), "gains"),
        (changes(bases=np.zeros_like), "bases"),
        (changes(conflicts=lambda conflicts: conflicts + 1), "conflicts"),
        (changes(scores=np.zeros_like), "scores"),
        (changes(pools=lambda pools: pools + 1), "pools"),
        (lambda G, k, **options: naive(G, max(1, k - 1), **options), "picks instead of"),
        (lambda G, k, objective, penalty: naive(G, k, objective=objective), "pick 1 is row"),
        (lambda G, k, **options: naive(G, k, **options).indices, "returned ndarray, not a Selection"),
        (scribbles, "changed the features"),
    ],
)
def test_a_selector_that_breaks_a_promise_is_refuted(select, words):
    with pytest.raises(ConformanceError, match=words):
        check_selector(select)


@pytest.mark.parametrize(
    ("check", "part"), [(check_objective, LogDet), (check_objective, "log-det"), (check_penalty, Conflict)]
)
def test_what_is_no_part_is_an_input_error(check, part):
    with pytest.raises(InputError, match="Give an instance"):
        check(part)


@pytest.mark.parametrize("features", [np.ones(3), np.array([[1.0, np.nan]]), "rows"])
def test_features_that_cannot_be_used_are_an_input_error(features):
    with pytest.raises(InputError, match="feature"):
        check_objective(LogDet(), features=features)
    with pytest.raises(InputError, match="feature"):
        check_penalty(Conflict(), features=features)
