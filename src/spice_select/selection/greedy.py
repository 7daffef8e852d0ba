"""The front door: `greedy` validates a request, chooses the fastest exact path for it, and runs it."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.features import Features, read
from spice_select.progress.meter import Meter
from spice_select.selection.constraints import Constraints, Quota, build_constraints, row_numbers
from spice_select.selection.objectives.base import Objective
from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.objectives.target_information import TargetInformation
from spice_select.selection.objectives.target_variance import POOL_VARIANCES
from spice_select.selection.partitioned import ForeseeingLeader, Leader, SpreadFeatures
from spice_select.selection.paths.blocked.rounds import run_blocked
from spice_select.selection.paths.eager import run_eager
from spice_select.selection.paths.lazy import run_lazy
from spice_select.selection.paths.ledger import TIE, Problem
from spice_select.selection.paths.naive import run_naive
from spice_select.selection.paths.shortlist import run_shortlist
from spice_select.selection.penalties.base import Penalty
from spice_select.selection.penalties.conflict import Conflict
from spice_select.selection.result import Selection
from spice_select.selection.stopping import StoppingRule

Path = Callable[[Problem], Selection]


def greedy(
    features: Any,
    k: int | None = None,
    *,
    objective: Objective | None = None,
    penalty: Penalty | None = None,
    stop: StoppingRule | Sequence[StoppingRule] = (),
    groups: Sequence[Hashable] | NDArray[Any] | None = None,
    quotas: Mapping[Any, Quota | tuple[int, int | None]] | None = None,
    forced: Sequence[int] = (),
    excluded: Sequence[int] = (),
    initial: Selection | Sequence[int] | NDArray[np.int64] = (),
    costs: Sequence[float] | NDArray[Any] | None = None,
    max_cost: float | None = None,
    per_cost: float | None = None,
    cost_quotas: Mapping[Any, Quota | tuple[int, int | None]] | None = None,
    progress: Callable[[int], None] | None = None,
    path: Path | None = None,
) -> Selection:
    """Pick k rows one after another, each the best by marginal gain minus penalty. Exact: the order `naive` picks.

    Args:
        features: [n, d], float16, float32 or float64; numpy (memory-mapped included), torch, or
            `Features`, which are not checked again; `SpreadFeatures` where no machine holds them together.
        k: how many rows, 1 … n, `initial` and `forced` included. May be None under a cost budget.
        objective: what to maximise; `LogDet(alpha=1.0)` by default.
        penalty: what to subtract; None for none.
        stop: rules that may end the run early, `GainRatio(0.5)` for instance.
        groups: a label for each row.
        quotas: for some labels a `Quota` or a pair (minimum, maximum or None).
        forced: rows that must be in: picked first, the best first.
        excluded: rows that must be out.
        initial: an earlier selection to go on from: its rows come first, in their order, so that going on equals one
            longer run.
        costs: a price for each row (its tokens).
        max_cost: the most to spend. Two runs are made, by gain and by gain per cost, and the one with more value is
            returned: at least (1 − 1/e)/2 of the best for a monotone submodular objective without penalty (Leskovec et
            al., KDD 2007), if nothing else binds: no `k`, quota, stop, `forced` or `initial` rows.
        per_cost: γ, 0 … 1: one run instead, by score / costᵞ: 0 is the score, 1 the score per cost. Also where only `k`
            binds; `costs` without `max_cost` are refused otherwise. What is forced is ordered by the score alone.
        cost_quotas: as `quotas`, in the unit of `costs`: how much of `max_cost` is set aside for a group, and how much
            it may take at most. A group's minimum is met but for less than its cheapest row that is left.
        progress: called at most ten times a second with how many rows have been picked since the last call; under a
            cost budget with how much has been spent, by both runs.
        path: the algorithm, `run_naive` for instance; the fastest exact one for the request if not given.

    Returns:
        A `Selection`. Scores within 1e-12 (relative to gain + penalty) tie; the lowest row number wins.

    Raises:
        InputError: with the value, the cause and the remedy.
    """
    started = time.perf_counter()
    rules = _check_parts(objective, penalty, stop)
    matrix = read(features)
    _refuse_overflow(objective, matrix)
    budget = _budget(k, matrix.n, max_cost)
    chosen = _path if path is None else lambda problem: path
    problem = Problem(
        features=matrix,
        k=budget,
        objective=objective or LogDet(),
        penalty=penalty,
        stop=rules,
        constraints=build_constraints(
            matrix.n,
            budget if max_cost is None else 0,
            groups=groups,
            quotas=quotas,
            excluded=excluded,
            costs=costs,
            max_cost=max_cost,
            per_cost=per_cost,
            cost_quotas=cost_quotas,
        ),
        initial=(),
        per_cost=per_cost or 0.0,
        meter=None if progress is None else Meter(progress),
    )
    problem = replace(problem, initial=_first_rows(chosen, problem, initial, forced))
    two = max_cost is not None and per_cost is None
    selection = _best_of_two(chosen, problem) if two else chosen(problem)(problem)
    return replace(selection, stats=replace(selection.stats, seconds=time.perf_counter() - started))


def naive(features: Any, k: int | None = None, **options: Any) -> Selection:
    """The oracle: `greedy`'s signature and picks, every gain from the definition in float64 at every pick. Slow."""
    return greedy(features, k, **options, path=run_naive)


def _path(problem: Problem) -> Path:
    """The fastest exact path for a request. Subclasses may compute something else, so types are compared exactly."""
    if isinstance(problem.features, SpreadFeatures):
        return _run_partitioned
    if type(problem.objective) is LogDet and (problem.weight == 0 or type(problem.penalty) is Conflict):
        return run_blocked
    if type(problem.objective) is TargetInformation and problem.weight == 0:
        return run_shortlist
    return run_lazy if problem.objective.submodular else run_eager


def _run_partitioned(problem: Problem) -> Selection:
    """Greedy over rows on shards."""
    informed = type(problem.objective) in (*POOL_VARIANCES, TargetInformation)
    return (ForeseeingLeader if informed else Leader)(problem).selection()


def _check_parts(objective: Any, penalty: Any, stop: Any) -> tuple[StoppingRule, ...]:
    """Refuse what are no parts; returns the stopping rules."""
    if objective is not None and not isinstance(objective, Objective):
        raise InputError(f"objective={objective!r}: not an Objective. Give LogDet(alpha=1.0), or subclass Objective.")
    for flag in ("monotone", "submodular"):
        if objective is not None and not isinstance(getattr(objective, flag, None), bool):
            raise InputError(f"{type(objective).__name__} does not say whether it is {flag}. Set it to True or False.")
    if penalty is not None and not isinstance(penalty, Penalty):
        raise InputError(f"penalty={penalty!r}: not a Penalty. Give Conflict(weight=0.1), or subclass Penalty.")
    rules = tuple(stop) if isinstance(stop, Sequence) and not isinstance(stop, str) else (stop,)
    for rule in rules:
        if not hasattr(rule, "check"):
            raise InputError(f"stop={rule!r}: not a stopping rule. Give GainRatio(0.5), or leave it out.")
    return rules


def _refuse_overflow(objective: Objective | None, matrix: Any) -> None:
    """Refuse a scale under which the rows' information is infinite: nothing could be compared or picked."""
    alpha = float(getattr(objective, "alpha", 1.0))
    if isinstance(matrix, Features) and not np.isfinite(alpha * float(matrix.squares.sum())):
        raise InputError(
            f"alpha={alpha:g} for rows whose squared lengths add up to {float(matrix.squares.sum()):g}: their product "
            "is beyond float64. Lower alpha or scale the features down."
        )


def _budget(k: Any, n: int, max_cost: float | None) -> int:
    if k is None:
        if max_cost is None:
            raise InputError("neither k nor max_cost is given: say how many rows to pick, or how much they may cost.")
        return n
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= n:
        raise InputError(
            f"k={k!r}: the number of rows to pick must be a whole number from 1 to {n}, the rows there are."
        )
    return int(k)


def _first_rows(path: Callable[[Problem], Path], problem: Problem, initial: Any, forced: Any) -> tuple[int, ...]:
    """The rows taken before anything is compared: `initial` in its order, then `forced`, the best first."""
    n, excluded = problem.features.n, set(problem.constraints.excluded.tolist())
    start = row_numbers(initial.indices if isinstance(initial, Selection) else initial, n, "initial").tolist()
    required = [row for row in row_numbers(forced, n, "forced").tolist() if row not in set(start)]
    clash = [row for row in [*start, *required] if row in excluded]
    if clash:
        raise InputError(f"row {clash[0]} is excluded and also forced or initial. Take it out of one of the lists.")
    _check_fit(problem, [*start, *required])
    if not required:
        return tuple(start)
    others = np.ones(n, bool)
    others[[*start, *required]] = False
    unbound = build_constraints(
        n,
        len(start) + len(required),
        groups=None,
        quotas=None,
        excluded=np.flatnonzero(others),
        costs=None,
        max_cost=None,
    )
    # among all rows: what a row is worth may hang on rows that are not chosen
    alone = replace(
        problem, k=len(start) + len(required), stop=(), constraints=unbound, initial=tuple(start), meter=None
    )
    return tuple(path(alone)(alone).indices.tolist())


def _check_fit(problem: Problem, rows: list[int]) -> None:
    """Refuse initial and forced rows that alone break the budget or a quota."""
    constraints = problem.constraints
    if len(rows) > problem.k:
        raise InputError(f"{len(rows)} rows are forced or initial, above k={problem.k}. Raise k or force fewer rows.")
    counts = np.bincount(constraints.groups[np.array(rows, dtype=np.int64)], minlength=len(constraints.names))
    for name, quota, count in zip(constraints.names, constraints.quotas, counts.tolist(), strict=True):
        if quota.maximum is not None and count > quota.maximum:
            raise InputError(
                f"{count} forced or initial rows belong to group {name!r}, whose quota allows {quota.maximum}. "
                "Raise the quota or force fewer rows."
            )
    if rows:
        missing = sum(max(0, q.minimum - int(c)) for q, c in zip(constraints.quotas, counts, strict=True))
        if missing > problem.k - len(rows):
            raise InputError(
                f"after {len(rows)} forced or initial rows {problem.k - len(rows)} of k={problem.k} are left, but the "
                f"quotas' minima still need {missing}. Raise k or lower a minimum."
            )
        if constraints.costs is not None and constraints.costs[rows].sum() > constraints.max_cost * (1 + 1e-12):
            raise InputError(
                f"the forced and initial rows cost {constraints.costs[rows].sum():g}, above "
                f"max_cost={constraints.max_cost:g}. Raise it or force fewer rows."
            )
        _check_fit_of_shares(constraints, np.array(rows))


def _check_fit_of_shares(constraints: Constraints, rows: NDArray[np.int64]) -> None:
    """Refuse rows that alone break a group's share of the cost budget, its own or another's."""
    if constraints.costs is None or not constraints.cost_quotas:
        return
    costs, owed = constraints.costs[rows], 0.0
    spent = np.bincount(constraints.groups[rows], weights=costs, minlength=len(constraints.names))
    for name, quota, cost in zip(constraints.names, constraints.cost_quotas, spent.tolist(), strict=True):
        owed += max(0.0, quota.minimum - cost)
        if quota.maximum is not None and cost > quota.maximum * (1 + 1e-12):
            raise InputError(
                f"the forced and initial rows of group {name!r} cost {cost:g}, above its share of {quota.maximum}. "
                "Raise the share or force fewer rows."
            )
    if owed > (constraints.max_cost - float(costs.sum())) * (1 + 1e-12):
        raise InputError(
            f"the forced and initial rows cost {costs.sum():g} of max_cost={constraints.max_cost:g}, and groups are "
            f"still owed {owed:g}. Raise max_cost, lower a minimum or force fewer rows."
        )


def _best_of_two(path: Callable[[Problem], Path], problem: Problem) -> Selection:
    """Greedy by gain and greedy by gain per cost under a cost budget; the one worth more."""
    meter = None if problem.meter is None else problem.meter.again()
    runs = [path(p)(p) for p in (problem, replace(problem, per_cost=1.0, meter=meter))]
    worth = [float(run.gains.sum()) for run in runs]
    best = runs[int(worth[1] > worth[0] + TIE * abs(worth[0]))]
    return replace(best, stats=runs[0].stats + runs[1].stats)
