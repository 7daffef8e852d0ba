"""Which rows may be picked next: exclusions, quotas by group and a cost budget. A row once closed stays closed."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError, nearest
from spice_select.numerics.given import plain_array, plain_labels
from spice_select.selection.objectives.base import is_number


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How many rows of one group to pick: at least `minimum`, at most `maximum` (None: no limit)."""

    minimum: int = 0
    maximum: int | None = None

    def __post_init__(self) -> None:
        if not (_is_count(self.minimum) and (self.maximum is None or _is_count(self.maximum))):
            raise InputError(
                f"Quota(minimum={self.minimum!r}, maximum={self.maximum!r}): numbers of rows, whole ones. "
                "For shares multiply by the number of rows to pick."
            )
        if self.minimum < 0 or (self.maximum is not None and self.maximum < self.minimum):
            raise InputError(
                f"Quota(minimum={self.minimum}, maximum={self.maximum}): needs 0 ≤ minimum ≤ maximum. "
                "Swap them, or leave one out."
            )


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What a pick must respect, validated against n rows and a budget of k.

    Attributes:
        groups: int64 [n], the group number of each row (all 0 without groups).
        names: the label of each group number.
        quotas: a `Quota` for each group number.
        excluded: int64, rows that are never picked.
        costs: float64 [n] or None.
        max_cost: the most the picked rows may cost together; infinite without a cost budget.
        cost_quotas: a `Quota` for each group number, in the unit of `costs` instead of rows; none: no such quotas.
    """

    groups: NDArray[np.int64]
    names: tuple[Hashable, ...]
    quotas: tuple[Quota, ...]
    excluded: NDArray[np.int64]
    costs: NDArray[np.float64] | None
    max_cost: float
    cost_quotas: tuple[Quota, ...] = ()


class Eligibility:
    """The rows still open to a run. `allowed` (bool [n]) only ever loses rows, which is what lazy paths rely on.

    Quotas stay reachable: once the slots left are just enough for the minima not yet met, every other group closes.
    What a group is still owed of a cost budget is set aside for it: a row is open while it costs no more than what is
    left less what other groups are owed. Paying a row lowers that for every group, and never below what is owed.
    """

    def __init__(self, constraints: Constraints, k: int) -> None:
        self._constraints = constraints
        self._slots = k
        self._minimum = np.array([q.minimum for q in constraints.quotas])
        self._maximum = np.array([k if q.maximum is None else q.maximum for q in constraints.quotas])
        self._counts = np.zeros(len(constraints.names), dtype=np.int64)
        self._by_quota = bool((self._minimum > 0).any() or (self._maximum < k).any())
        self._by_cost = bool(np.isfinite(constraints.max_cost))
        self.remaining = constraints.max_cost
        self._least_cost = np.array([float(q.minimum) for q in constraints.cost_quotas])
        self._most_cost = np.array([np.inf if q.maximum is None else q.maximum for q in constraints.cost_quotas])
        self._spent = np.zeros(len(constraints.cost_quotas))
        self.allowed = np.ones(len(constraints.groups), dtype=bool)
        self.allowed[constraints.excluded] = False
        self._open = int(self.allowed.sum())
        self._close()

    @property
    def exhausted(self) -> bool:
        """Whether no row is open."""
        return self._open == 0

    def ahead(self) -> "Eligibility":
        """A copy to try picks on."""
        other = copy(self)
        other.allowed, other._counts, other._spent = self.allowed.copy(), self._counts.copy(), self._spent.copy()
        return other

    def take(self, row: int) -> bool:
        """Count a picked row; True if this closed more rows than the row itself."""
        self._open -= bool(self.allowed[row])
        self.allowed[row] = False
        self._slots -= 1
        if not (self._by_quota or self._by_cost):
            return False
        self._counts[self._constraints.groups[row]] += 1
        if self._by_cost and self._constraints.costs is not None:
            cost = float(self._constraints.costs[row])
            self.remaining -= cost
            if len(self._spent):
                self._spent[self._constraints.groups[row]] += cost
        return self._close()

    def _close(self) -> bool:
        changed = False
        if self._by_quota:
            missing = np.maximum(self._minimum - self._counts, 0)
            closed = self._counts >= self._maximum
            if missing.sum() >= self._slots:
                closed |= missing == 0
            if closed.any():
                changed = self._keep(~closed[self._constraints.groups])
        if self._by_cost and self._constraints.costs is not None:
            changed |= self._keep(self._constraints.costs <= self._room() * (1 + 1e-12))
        return changed

    def _room(self) -> float | NDArray[np.float64]:
        """The most the next row may cost: any, or each [n] where groups have shares of the budget."""
        if not len(self._spent):
            return self.remaining
        owed = np.maximum(self._least_cost - self._spent, 0.0)
        rooms = np.minimum(self.remaining - (owed.sum() - owed), self._most_cost - self._spent)
        return rooms[self._constraints.groups]

    def _keep(self, mask: NDArray[np.bool_]) -> bool:
        before = self._open
        self.allowed &= mask
        self._open = int(np.count_nonzero(self.allowed))
        return self._open < before


def build_constraints(
    n: int,
    k: int,
    *,
    groups: Sequence[Hashable] | NDArray[Any] | None,
    quotas: Mapping[Any, Quota | tuple[int, int | None]] | None,
    excluded: Sequence[int] | NDArray[np.int64],
    costs: Sequence[float] | NDArray[Any] | None,
    max_cost: float | None,
    per_cost: float | None = None,
    cost_quotas: Mapping[Any, Quota | tuple[int, int | None]] | None = None,
) -> Constraints:
    """Validate the caller's constraints.

    Raises:
        InputError: wrong lengths, unknown groups, quotas that no selection of k rows or of so much cost can meet, costs
            not above 0.
    """
    numbers, names = _group_numbers(n, groups)
    dropped = row_numbers(excluded, n, "excluded")
    table = _quota_table(names, groups is not None, quotas)
    free = np.ones(n, dtype=bool)
    free[dropped] = False
    if max_cost is not None and any(quota.minimum for quota in table):
        raise InputError(
            "a quota's minimum with max_cost: how many rows the budget buys is not known beforehand, so nothing can be "
            "set aside for it. Give maxima alone, cost_quotas, or a number of rows instead of max_cost."
        )
    _check_feasible(names, table, np.bincount(numbers[free], minlength=len(names)), k)
    cost_array, cost_limit = _check_costs(n, costs, max_cost, per_cost)
    found = Constraints(
        groups=numbers, names=names, quotas=table, excluded=dropped, costs=cost_array, max_cost=cost_limit
    )
    if not cost_quotas:
        return found
    shares = _quota_table(names, groups is not None, cost_quotas, "cost_quotas")
    found = replace(found, cost_quotas=shares)
    _check_shares(found, free)
    return found


def row_numbers(rows: Sequence[int] | NDArray[Any], n: int, name: str) -> NDArray[np.int64]:
    """Validate row numbers: whole, within 0 … n−1, none twice."""
    array = plain_array(rows, name)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{name} of shape {array.shape}, dtype {array.dtype}: give a flat list of row numbers.")
    outside = array[(array < 0) | (array >= n)]
    if outside.size:
        raise InputError(f"{name} holds row {int(outside[0])}, but rows run from 0 to {n - 1}. Remove it.")
    repeated = [row for row, count in Counter(array.tolist()).items() if count > 1]
    if repeated:
        raise InputError(f"{name} holds row {repeated[0]} more than once. Give each row once.")
    return array.astype(np.int64)


def _group_numbers(n: int, groups: Any) -> tuple[NDArray[np.int64], tuple[Hashable, ...]]:
    if groups is None:
        return np.zeros(n, dtype=np.int64), ("all",)
    labels = plain_labels(groups)
    if len(labels) != n:
        raise InputError(f"groups has {len(labels)} labels for {n} feature rows. Give one label for each row.")
    names = tuple(dict.fromkeys(labels))
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[label] for label in labels], dtype=np.int64), names


def _quota_table(
    names: tuple[Hashable, ...], grouped: bool, quotas: Mapping[Any, Any] | None, kind: str = "quotas"
) -> tuple[Quota, ...]:
    given = dict(quotas or {})
    if given and not grouped:
        raise InputError(f"{kind} without groups: it is unknown which rows they count. Give groups, a label per row.")
    known = set(names)
    for name in given:
        if name not in known:  # by hash, as it is looked up
            hint = nearest(str(name), [str(x) for x in names])
            raise InputError(f"{kind} name the group {name!r}, which no row belongs to.{hint}")
    table = []
    for name in names:
        table.append(_as_quota(name, given.get(name, Quota())))
    return tuple(table)


def _as_quota(name: Hashable, quota: Any) -> Quota:
    if isinstance(quota, Quota):
        return quota
    if not isinstance(quota, tuple | list) or len(quota) != 2:
        raise InputError(f"the quota {quota!r} of group {name!r}: give Quota(minimum=…, maximum=…), or a pair of them.")
    return Quota(minimum=quota[0], maximum=quota[1])


def _check_feasible(names: tuple[Hashable, ...], quotas: tuple[Quota, ...], sizes: NDArray[Any], k: int) -> None:
    for name, quota, size in zip(names, quotas, sizes.tolist(), strict=True):
        if quota.minimum > size:
            raise InputError(
                f"quota of at least {quota.minimum} rows of group {name!r}: it has only {size} rows to pick from. "
                "Lower the minimum."
            )
    least = sum(q.minimum for q in quotas)
    if least > k:
        raise InputError(f"the quotas' minima add up to {least}, above k={k}. Lower a minimum or raise k.")
    most = sum(
        size if q.maximum is None else min(q.maximum, size) for q, size in zip(quotas, sizes.tolist(), strict=True)
    )
    if most < k:
        raise InputError(
            f"k={k}, but quotas and exclusions leave only {most} rows to pick. Lower k, raise a maximum, or "
            "exclude fewer rows."
        )


def _check_shares(constraints: Constraints, free: NDArray[np.bool_]) -> None:
    """Refuse shares of the cost budget that cannot be met."""
    costs, limit = constraints.costs, constraints.max_cost
    if costs is None or not np.isfinite(limit):
        raise InputError("cost_quotas without max_cost: they are shares of a cost budget. Give costs and max_cost.")
    own = np.bincount(constraints.groups[free], weights=costs[free], minlength=len(constraints.names))
    for name, quota, cost in zip(constraints.names, constraints.cost_quotas, own.tolist(), strict=True):
        if quota.minimum > cost * (1 + 1e-12):
            raise InputError(
                f"cost quota of at least {quota.minimum} for group {name!r}: its rows cost {cost:g} together. "
                "Lower the minimum."
            )
    least = sum(quota.minimum for quota in constraints.cost_quotas)
    if least > limit * (1 + 1e-12):
        raise InputError(f"the cost quotas' minima add up to {least}, above max_cost={limit:g}. Lower a minimum.")
    if Eligibility(constraints, len(free)).exhausted:
        raise InputError(
            f"max_cost={limit:g}: every row costs more than its group's share of it, so nothing could be picked. "
            "Raise max_cost or a maximum, or lower a minimum."
        )


def _check_costs(
    n: int, costs: Any, max_cost: float | None, per_cost: float | None
) -> tuple[NDArray[np.float64] | None, float]:
    if per_cost is not None and not (is_number(per_cost) and 0 <= per_cost <= 1):
        raise InputError(
            f"per_cost={per_cost!r}: the power of the cost that scores are divided by lies between 0 (the score alone) "
            "and 1 (the score per cost)."
        )
    if costs is None:
        if max_cost is not None:
            raise InputError(
                f"max_cost={max_cost!r} without costs: give the cost of each row, its tokens for instance."
            )
        if per_cost is not None:
            raise InputError(
                f"per_cost={per_cost!r} without costs: give the cost of each row, its tokens for instance."
            )
        return None, float("inf")
    array = plain_array(costs, "costs")
    if array.dtype.kind not in "iuf":
        raise InputError(f"costs of dtype {array.dtype}: give one number for each row, its tokens for instance.")
    array = array.astype(np.float64)
    if array.shape != (n,):
        raise InputError(f"costs of shape {array.shape} for {n} feature rows. Give one cost for each row.")
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0)))
    if len(bad):
        raise InputError(
            f"row {bad[0]} costs {float(array[bad[0]])!r}: costs must be finite and above 0. Drop or mend the row."
        )
    if max_cost is None and per_cost is None:
        raise InputError(
            "costs without max_cost: say how much the picked rows may cost together, or per_cost, what costs are for."
        )
    if max_cost is None:
        return array, float("inf")
    if not (is_number(max_cost) and np.isfinite(max_cost)):
        raise InputError(f"max_cost={max_cost!r}: give a finite number, what the picked rows may cost together.")
    if max_cost < array.min():
        raise InputError(
            f"max_cost={max_cost!r}: the cheapest row costs {array.min():g}, so nothing could be picked. Raise it."
        )
    return array, float(max_cost)
