"""Conformance suites for the parts of a selection: run them on an objective, a penalty or a selector of your own.

Each suite tries to refute what the part claims, on random and on degenerate features, and raises `ConformanceError`
with the counterexample. They need numpy only.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from spice_select.errors import InputError
from spice_select.numerics.arrays import Matrix, Rows
from spice_select.numerics.features import as_matrix, squared_norms
from spice_select.selection import Conflict, LogDet, Objective, Penalty, Selection, naive


class ConformanceError(AssertionError):
    """A part does not keep a promise it makes; the message holds the counterexample."""


def sample_features(kind: str, n: int, d: int, seed: int = 0) -> Matrix:
    """Synthetic gradients float64 [n, d] with mean squared length 10.

    `iso`: standard normal. `aniso`: clusters with coordinate variances falling as 1/j. `heavy`: the same with lognormal
    lengths, which is what gradients of language models look most like. `grid`: entries −1, 0, 1, so that many tie.
    """
    rng = np.random.default_rng(seed)
    if kind == "grid":
        return rng.integers(-1, 2, size=(n, d)).astype(np.float64)
    if kind == "iso":
        G = rng.standard_normal((n, d))
    else:
        centres = rng.standard_normal((50, d))
        G = centres[rng.integers(50, size=n)] + rng.standard_normal((n, d))
        G = G / np.sqrt(np.arange(1, d + 1))
        if kind == "heavy":
            G = G * rng.lognormal(0.0, 1.0, size=(n, 1))
    return G * np.sqrt(10.0 / np.mean((G * G).sum(axis=1)))


def degenerate(features: Matrix, seed: int = 0) -> Matrix:
    """A copy in which some rows are zero and some are repeated."""
    rng = np.random.default_rng(seed)
    G, n = features.copy(), len(features)
    G[rng.integers(n, size=max(1, n // 12))] = 0.0
    G[rng.integers(n, size=max(1, n // 8))] = G[rng.integers(n, size=max(1, n // 8))]
    return G


def check_objective(objective: Objective, *, features: Any = None, trials: int = 60, seed: int = 0) -> None:
    """Try to refute an objective: F(∅) = 0, gains are differences of values, neither the order of the set nor the place
    of a row among the candidates matters, and what it declares.

    Args:
        objective: the part under test.
        features: [n, d] to test on; by default three small matrices, one with zero and repeated rows.
        trials: random (set, superset, row) triples for each matrix.

    Raises:
        ConformanceError: with the counterexample.
        InputError: not an objective (a class in place of an instance, for example), or features that cannot be used.
    """
    if not isinstance(objective, Objective):
        raise InputError(f"objective={objective!r}: not an Objective. Give an instance of a subclass of Objective.")
    for name in ("monotone", "submodular"):
        _require(isinstance(getattr(objective, name, None), bool), f"it does not declare `{name}` as True or False")
    for number, G in enumerate(_matrices(features)):
        rng = np.random.default_rng(seed + number)
        _require(objective.value(G, []) == 0.0, f"value of the empty set is {objective.value(G, [])!r}, not 0")
        for _ in range(trials):
            _check_set_function(objective, G, rng)
        _check_state(objective, G, rng)


def check_penalty(penalty: Penalty, *, features: Any = None, trials: int = 40, seed: int = 0) -> None:
    """Try to refute a penalty: 0 for the empty set, never negative, a function of the row and the set alone, and its
    state agrees with its definition.

    Raises:
        ConformanceError: with the counterexample.
        InputError: not a penalty, or features that cannot be used.
    """
    if not isinstance(penalty, Penalty):
        raise InputError(f"penalty={penalty!r}: not a Penalty. Give an instance of a subclass of Penalty.")
    weight = getattr(penalty, "weight", None)
    _require(isinstance(weight, int | float) and weight >= 0, f"weight is {weight!r}, not a number of 0 or above")
    for number, G in enumerate(_matrices(features)):
        rng = np.random.default_rng(seed + number)
        everyone = np.arange(len(G))
        start = _one_each(penalty.values(G, [], everyone), everyone, "values")
        _require(not start.any(), f"penalties of the empty set are not all 0: {start}")
        for _ in range(trials):
            chosen = _subset(rng, len(G))
            values = _one_each(penalty.values(G, chosen, everyone), everyone, "values")
            _require(bool((values >= 0).all()), f"negative penalty {values.min()!r} with the set {chosen.tolist()}")
            some, shuffled = _subset(rng, len(G)), rng.permutation(chosen)
            again = _one_each(penalty.values(G, shuffled, some), some, "values")
            _close(again, values[some], f"the set {chosen.tolist()} as {shuffled.tolist()}, rows {some.tolist()}")
        state, order = penalty.state(G), rng.permutation(len(G))[: len(G) // 2]
        for t in range(len(order) + 1):
            values = _one_each(state.values(everyone), everyone, "the state's values")
            _close(values, penalty.values(G, order[:t], everyone), f"state after {order[:t].tolist()}")
            if t < len(order):
                state.add(int(order[t]))


def check_selector(select: Callable[..., Selection], *, seeds: Sequence[int] = (0, 1)) -> None:
    """Check a selector with `greedy`'s signature against the oracle: same order, gains that add up, every number
    recorded, `head` as defined, features left as they were.

    Called with an objective and a penalty, over iso, aniso, heavy and grid features × λ ∈ {0, 0.1, 0.5, 2} ×
    α ∈ {1e−4, 1, 1e4, 1e8}, with zero and repeated rows, k up to n and above d.

    Raises:
        ConformanceError: with the case and the first pick that differs.
    """
    for seed in seeds:
        for kind in ("iso", "aniso", "heavy", "grid"):
            G = degenerate(sample_features(kind, 48, 9, seed), seed)
            for alpha in (1e-4, 1.0, 1e4, 1e8) if kind != "grid" else (1e-4, 1.0):
                for weight in (0.0, 0.1, 0.5, 2.0):
                    options = {"objective": LogDet(alpha), "penalty": Conflict(weight)}
                    _check_case(select, G, len(G), options, f"{kind}, seed {seed}, {options}")


def _check_case(select: Callable[..., Selection], G: Matrix, k: int, options: dict[str, Any], case: str) -> None:
    given = G.copy()
    found, truth = select(given, k, **options), naive(G, k, **options)
    _require(isinstance(found, Selection), f"{case}: it returned {type(found).__name__}, not a Selection")
    _require(np.array_equal(given, G), f"{case}: it changed the features it was given")
    require_same(found, truth, case)
    for name in ("bases", "conflicts", "scores", "pools"):
        _close(getattr(found, name), getattr(truth, name), f"{case}: {name}", rtol=1e-6, atol=1e-6)
    value = options["objective"].value(G, found.indices)
    _close(np.array([found.gains.sum()]), np.array([value]), f"{case}: the sum of the gains against F")
    half = select(G, k // 2, **options)
    require_same(found.head(k // 2), half, f"{case}: head({k // 2})")


def require_same(found: Selection, truth: Selection, case: str) -> None:
    """Require the same rows in the same order, the same gains and the same reason to stop."""
    _require(len(found) == len(truth), f"{case}: {len(found)} picks instead of {len(truth)}")
    differ = np.flatnonzero(found.indices != truth.indices)
    if len(differ):
        t = int(differ[0])
        raise ConformanceError(
            f"{case}: pick {t} is row {found.indices[t]} (score {found.scores[t]!r}) instead of row {truth.indices[t]} "
            f"(score {truth.scores[t]!r})"
        )
    _close(found.gains, truth.gains, f"{case}: gains", rtol=1e-6)
    _close(found.penalties, truth.penalties, f"{case}: penalties", rtol=1e-6, atol=1e-9)
    _require(found.stop == truth.stop, f"{case}: {found.stop} instead of {truth.stop}")


def _check_set_function(objective: Objective, G: Matrix, rng: np.random.Generator) -> None:
    larger = _subset(rng, len(G))
    smaller = larger[: rng.integers(len(larger) + 1)]
    x = int(rng.choice(np.setdiff1d(np.arange(len(G)), larger)))
    value = objective.value(G, larger)
    shuffled = objective.value(G, rng.permutation(larger))
    scale = max(1.0, abs(value))
    _require(abs(value - shuffled) <= 1e-9 * scale, f"{value!r} and {shuffled!r} for one set in two orders")
    alone = np.array([x])
    gain = float(_one_each(objective.gains(G, larger, alone), alone, "gains")[0])
    rest = rng.permutation(np.setdiff1d(np.arange(len(G)), larger))
    among = _one_each(objective.gains(G, larger, rest), rest, "gains")[rest == x][0]
    _require(abs(gain - among) <= 1e-8 * scale, f"gain of row {x} alone {gain!r}, among {rest.tolist()} {among!r}")
    difference = objective.value(G, [*larger, x]) - value
    _require(abs(gain - difference) <= 1e-8 * scale, f"gain {gain!r} of row {x} but values differ by {difference!r}")
    where = f"row {x} and the sets {smaller.tolist()} ⊆ {larger.tolist()}"
    if objective.monotone:
        _require(gain >= -1e-9 * scale, f"declared monotone, but the gain is {gain!r}: {where}")
    if objective.submodular:
        before = float(objective.gains(G, smaller, np.array([x]))[0])
        _require(gain <= before + 1e-9 * scale, f"declared submodular, but {before!r} grows to {gain!r}: {where}")


def _check_state(objective: Objective, G: Matrix, rng: np.random.Generator) -> None:
    state, order, everyone = objective.state(G), rng.permutation(len(G)), np.arange(len(G))
    for t in range(len(order)):
        rest = np.setdiff1d(everyone, order[:t])
        _close(
            _one_each(state.gains(rest), rest, "the state's gains"),
            objective.gains(G, order[:t], rest),
            f"state after {order[:t].tolist()}",
        )
        state.add(int(order[t]))


def _matrices(features: Any) -> Iterator[Matrix]:
    if features is not None:
        G = as_matrix(features)
        squared_norms(G)  # names the rows that are not finite
        yield G.astype(np.float64)
        return
    yield sample_features("iso", 14, 6)
    yield sample_features("heavy", 16, 3, seed=1)
    yield degenerate(sample_features("aniso", 15, 5, seed=2))


def _one_each(values: Any, rows: Rows, name: str) -> Matrix:
    shape = getattr(values, "shape", type(values).__name__)
    _require(shape == rows.shape, f"{name} of {len(rows)} rows have shape {shape}, not {rows.shape}: one number a row")
    return np.asarray(values)


def _subset(rng: np.random.Generator, n: int) -> Rows:
    return rng.permutation(n)[: rng.integers(n)]


def _close(found: Matrix, truth: Matrix, case: str, *, rtol: float = 1e-7, atol: float = 1e-9) -> None:
    wrong = ~np.isclose(found, truth, rtol=rtol, atol=atol)
    _require(not wrong.any(), f"{case}: {found[wrong][:3]} instead of {truth[wrong][:3]}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ConformanceError(otherwise)
