"""A sceptic's questions, asked of a run's own gradients and answered with a number and a sentence each."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spice_select.diagnosis.certificates import Certificate, certificate
from spice_select.diagnosis.curvature import curvature
from spice_select.diagnosis.epsilon import Decomposition, decompose
from spice_select.diagnosis.ports import RecordedPicks, picked_rows
from spice_select.diagnosis.threads import fitting_threads
from spice_select.diagnosis.versus_random import versus_random
from spice_select.errors import InputError
from spice_select.numerics.features import Features, read
from spice_select.numerics.tiles import compact
from spice_select.selection.greedy import greedy
from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.paths.blocked.threads import single_threaded_blas

_CHAINS = 200
SMALL, FEW, SUBSETS = 12, 4, 20  # greedy against every way to take 4 of 12 rows, 20 times: 9900 sets
_TOLERANCE = 1e-9  # relative to the quantities compared: a thousand times the rounding of a value from its definition


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """`passed` is None where there was nothing to judge; `value` is the number that the sentence speaks of."""

    name: str
    passed: bool | None
    value: float
    sentence: str


def run_checks(
    features: Any,
    selection: RecordedPicks,
    objective: LogDet,
    *,
    costs: ArrayLike | None = None,
    max_cost: float | None = None,
    chains: int = _CHAINS,
    draws: int = 20,
    seed: int = 0,
) -> list[CheckResult]:
    """Try to refute, on these gradients and this selection, what the method takes for granted.

    Args:
        features: [n, d] float, numpy or torch.
        selection: the run's picks with the gains, bases, conflicts and pools that the selector recorded.
        objective: the log det it was made with.
        costs: the prices of a selection made under a budget; see `certificate`.
        max_cost: that budget.
        chains: attempts to refute submodularity.
        draws: random subsets to compare with, 2 or more.
        seed: of the chains, the small pools and the draws.

    Raises:
        InputError: features, indices or objective that cannot be used, or chains < 1.

    Cost: that of `certificate`, `decompose`, `curvature` and `versus_random`; 4·chains values of up to 65 rows and
    9900 of 4 rows from the definition, each within the span of its rows, on one thread: one QR of 65 × d for each
    chain and of 12 × d for each pool, and nothing else that d has a part in.
    """
    if chains < 1:
        raise InputError(f"chains is {chains}; 1 or more is needed")
    checked = read(features)
    picked_rows(selection, len(checked.array))
    with single_threaded_blas():
        laws = _submodular(checked.compacted, objective, chains, seed), _exhaustive(checked.compacted, objective, seed)
    with fitting_threads(min(checked.array.shape)):
        parts = decompose(checked, selection, objective)
        return [
            laws[0],
            _sum_of_gains(checked.compacted, selection, objective),
            _recorded(selection, parts),
            laws[1],
            _inner_products(parts),
            _published_bound(parts),
            _follows(parts),
            _against_gain(parts),
            _curved(checked, objective),
            _certified(certificate(checked, selection, objective, costs=costs, max_cost=max_cost)),
            _random(checked, selection, objective, draws, seed),
        ]


def _submodular(matrix: np.ndarray, objective: LogDet, chains: int, seed: int) -> CheckResult:
    """Random A ⊂ B and x ∉ B: Δ_x(A) ≥ Δ_x(B) ≥ 0, each gain the difference of two values from the definition.

    A value hangs on inner products alone, so the definition is asked within the span of the few rows of a chain.
    """
    worst, refuted = np.inf, 0
    for rows, inner in _chains(len(matrix), chains, seed):
        span, x = compact(matrix[rows]), len(rows) - 1
        less, whole = objective.value(span, range(inner)), objective.value(span, range(x + 1))
        gains = objective.value(span, [*range(inner), x]) - less, whole - objective.value(span, range(x))
        margin = min(gains[0] - gains[1], gains[1])
        worst, refuted = min(worst, margin), refuted + int(margin < -_TOLERANCE * (1 + whole))
    return CheckResult(
        name="submodular and monotone",
        passed=refuted == 0 if np.isfinite(worst) else None,
        value=float(refuted),
        sentence=f"{refuted} of {chains} random chains A ⊂ B of this run's gradients gave a row a gain that grew with "
        f"the set or fell below zero (least margin {worst:.3g}).",
    )


def _chains(n: int, chains: int, seed: int) -> Iterator[tuple[np.ndarray, int]]:
    """(rows, inner): A the first `inner` of some random rows, B all but the last, x the last; B has 64 at most.

    None if there are fewer than two rows.
    """
    rng = np.random.default_rng(seed)
    for _ in range(chains if n >= 2 else 0):
        rows = rng.choice(n, int(rng.integers(2, min(n, 65) + 1)), replace=False)
        yield rows, int(rng.integers(0, len(rows) - 1))


def _sum_of_gains(matrix: np.ndarray, selection: RecordedPicks, objective: LogDet) -> CheckResult:
    """Σ of the recorded Δ against log det from the definition, pool by pool."""
    gap = 0.0
    for pool in np.unique(selection.pools):
        inside = selection.pools == pool
        value = objective.value(matrix, selection.indices[inside])
        gap = max(gap, abs(float(selection.gains[inside].sum()) - value) / max(value, 1e-300))
    return CheckResult(
        name="gains add up",
        passed=gap <= 1e-8,
        value=gap,
        sentence=f"The sum of the recorded gains differs from log det(I + αF) by {gap:.2g} relative at most.",
    )


def _recorded(selection: RecordedPicks, parts: Decomposition) -> CheckResult:
    """What the selector recorded against the same quantities computed afresh, and ε ≤ 0."""
    pairs = (
        (selection.gains, parts.gains),
        (selection.bases, parts.bases),
        (selection.conflicts, parts.conflicts),
    )
    gap = max(float(np.max(np.abs(a - b) / (1 + np.abs(b)))) for a, b in pairs)
    rising = float(parts.epsilons.max())
    return CheckResult(
        name="recorded numbers",
        passed=gap <= 1e-6 and rising <= 1e-9,
        value=gap,
        sentence=f"Recorded gains, bases and conflicts agree with a fresh computation to {gap:.2g}; the largest ε is "
        f"{rising:.2g}, and none may be above zero.",
    )


def _exhaustive(matrix: np.ndarray, objective: LogDet, seed: int) -> CheckResult:
    """Greedy (λ = 0) against every subset, on small random pools, and its guarantee from their own curvature."""
    rng, size = np.random.default_rng(seed), min(SMALL, len(matrix))
    few, ratios, kept = min(FEW, size), [], True
    for _ in range(SUBSETS):
        rows = compact(matrix[np.sort(rng.choice(len(matrix), size, replace=False))])
        best = max(objective.value(rows, list(s)) for s in combinations(range(size), few))
        if best <= 0:
            continue
        reached = objective.value(rows, greedy(rows, few, objective=objective).indices)
        ratios.append(reached / best)
        kept &= ratios[-1] >= curvature(rows, objective).guarantee - 1e-9
    if not ratios:
        return CheckResult(
            name="greedy against all subsets",
            passed=None,
            value=float("nan"),
            sentence="Every small pool drawn had zero gradients only: there was nothing to compare.",
        )
    return CheckResult(
        name="greedy against all subsets",
        passed=kept,
        value=min(ratios),
        sentence=f"On {len(ratios)} random pools of {size} rows, greedy's {few} picks reached at worst "
        f"{100 * min(ratios):.2f} % of the best subset's information, {100 * np.mean(ratios):.2f} % on average.",
    )


def _inner_products(parts: Decomposition) -> CheckResult:
    """log(1 + α²Σ/((1+ρ)(1+αn))) ≤ |ε| ≤ log(1 + α²Σ/(1+αn)), and the weaker upper sides, for every pick."""
    later = ~parts.firsts & (parts.epsilons < 0)
    median = ""
    if later.any():
        tight = float(np.median(-parts.epsilons[later] / parts.upper[later]))
        median = f"; in the median it is {tight:.2g} of the upper side, and Σ(gᵀg)² is {np.median(parts.inner):.3g}"
    return CheckResult(
        name="inner products explain ε",
        passed=parts.violations == 0,
        value=float(parts.violations),
        sentence=f"|ε| left the two-sided inner-product bound at {parts.violations} of {len(parts.gains)} "
        f"picks{median}.",
    )


def _published_bound(parts: Decomposition) -> CheckResult:
    """How often Theorem 4 as printed speaks of these picks at all, and how often it is violated."""
    applies, later = parts.published_applies, int((~parts.firsts).sum())
    outcome = f"its bound was violated at {parts.published_violations} of these" if applies else "it says nothing here"
    return CheckResult(
        name="the published bound",
        passed=parts.published_violations == 0 if applies else None,
        value=float(parts.published_violations),
        sentence=f"The assumption of the paper's Theorem 4 (1 − ρ − αG²ρ > 0) held at {applies} of {later} picks; "
        f"{outcome}.",
    )


def _follows(parts: Decomposition) -> CheckResult:
    """Does |ε| follow the conflict, as the paper reports?"""
    rho = parts.conflict_with_epsilon
    return CheckResult(
        name="ε follows the conflict",
        passed=_told(rho, parts),
        value=rho,
        sentence=_spearman("|ε|", rho, "+0.901", parts),
    )


def _against_gain(parts: Decomposition) -> CheckResult:
    """Do conflicting picks gain less, as the paper reports?"""
    rho = parts.conflict_with_gain
    return CheckResult(
        name="conflict lowers the gain",
        passed=_told(-rho, parts),
        value=rho,
        sentence=_spearman("Δ", rho, "−0.792", parts),
    )


def _told(rho: float, parts: Decomposition) -> bool | None:
    """Whether a correlation is above zero; None where as many picks without any would show one as far from it."""
    return None if np.isnan(rho) or abs(rho) <= _chance(parts) else rho > 0


def _chance(parts: Decomposition) -> float:
    """What 19 in 20 rank correlations of unrelated picks stay below: their standard deviation is 1/√(m−1)."""
    return 1.96 / math.sqrt(max(1, int((~parts.firsts).sum()) - 1))


def _spearman(what: str, rho: float, published: str, parts: Decomposition) -> str:
    if np.isnan(rho):
        return f"Too few picks, or no conflict among them: no rank correlation of conflict with {what}."
    share, chance = float((parts.conflicts[~parts.firsts] > 0).mean()), _chance(parts)
    doubt = "" if abs(rho) > chance else f" Unrelated numbers would show up to ±{chance:.2f}: it tells nothing."
    return (
        f"Spearman's correlation of conflict with {what} is {rho:+.3f} over this run's picks, {100 * share:.0f} % of "
        f"which conflict (the paper reports {published} step by step).{doubt}"
    )


def _curved(checked: Features, objective: LogDet) -> CheckResult:
    """Total curvature over all rows, and what it guarantees of greedy."""
    found = curvature(checked, objective)
    return CheckResult(
        name="curvature",
        passed=None,
        value=found.value,
        sentence=f"Total curvature over all rows is {found.value:.4f}: greedy with λ = 0 is guaranteed "
        f"{math.floor(1000 * found.guarantee) / 10:.1f} % of the optimum before anything is known of the run.",
    )


def _certified(found: Certificate) -> CheckResult:
    """The certificate: is it proven to be above greedy's worst case, 1 − 1/e? Less proven refutes nothing."""
    return CheckResult(
        name="certificate",
        passed=True if found.ratio >= 1 - np.exp(-1) else None,
        value=found.ratio,
        sentence=f"The selection has {found.sentence}; 63.2 % is what greedy with λ = 0 promises in the worst case.",
    )


def _random(checked: Features, selection: RecordedPicks, objective: LogDet, draws: int, seed: int) -> CheckResult:
    """Does the selection carry more information than every random draw of its size?"""
    found = versus_random(checked, selection, objective, draws=draws, seed=seed)
    slack = _TOLERANCE * max(found.max, 1e-300)
    same = float(np.ptp(found.draws)) <= slack
    apart = "they are all worth the same" if same else f"{found.z:+.1f} standard deviations apart"
    return CheckResult(
        name="more than random",
        passed=None if same or len(selection.indices) == len(checked.array) else found.information >= found.max - slack,
        value=float("nan") if same else found.z,
        sentence=f"Its information is {found.information:.4g}; {draws} random draws of its size reached "
        f"{found.mean:.4g} ± {found.std:.2g}, {found.max:.4g} at most: {apart}.",
    )
