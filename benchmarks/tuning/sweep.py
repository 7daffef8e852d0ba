"""What α, λ, the early stop and the size of a pool do to the choice from one set of gradients."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spice_select.diagnosis import early_stops, shares_explained, versus_random
from spice_select.diagnosis.interaction import conflicting_share
from spice_select.diagnosis.least_weight import CHANCE, GRID, least_weight
from spice_select.diagnosis.saturation import half_saturation
from spice_select.numerics.features import Features
from spice_select.selection import Conflict, LogDet, Selection, TargetVariance, greedy, pools

ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
BUDGETS = (0.01, 0.03, 0.1, 0.3)
POOLS = (30, 60, 120)
YARDSTICK = 1.0  # the α that explained shares are told at, whatever the choice was made by
DRAWS = 20


class Bed:
    """One set of gradients ``[n, d]`` and the measures of a choice from it."""

    def __init__(self, matrix: Any) -> None:
        self.rows = Features(Features(matrix).compacted)  # the same inner products in n numbers a row
        self.n = self.rows.n

    def draw(self, k: int, number: int) -> Selection:
        """Random picks with their conflicts."""
        order = np.random.default_rng((1, k, number)).choice(self.n, k, replace=False)
        return greedy(self.rows, k, initial=order)

    def explained(self, picks: Selection) -> dict[str, float]:
        """Of all rows, by the picks and by random ones, at the yardstick."""
        (found,) = shares_explained(self.rows, picks, self.rows, [""] * self.n, alpha=YARDSTICK, draws=DRAWS)
        return {
            "explained": found.share,
            "random_explained": found.mean,
            "random_explained_std": found.std,
            "cosine": found.cosine,
            "random_cosine": float(found.cosine_draws.mean()),
        }

    def told(self, picks: Selection, beside: Selection, alpha: float) -> dict[str, float]:
        """A choice in numbers, and what it shares with another of as many rows."""
        versus = versus_random(self.rows, picks, LogDet(alpha), draws=DRAWS)
        return {
            "conflicting": conflicting_share(picks),
            "information": versus.information,
            "random_information": versus.mean,
            "jaccard": jaccard(picks, beside),
            **self.explained(picks),
        }


def jaccard(left: Selection, right: Selection) -> float:
    """Rows that both took over rows that either did."""
    a, b = set(left.indices.tolist()), set(right.indices.tolist())
    return len(a & b) / len(a | b)


def swept(matrix: Any, budgets: Sequence[float] = BUDGETS) -> dict[str, Any]:
    """Everything at each budget."""
    bed = Bed(matrix)
    return {"rows": bed.n, "budgets": {f"{share:.0%}": _at(bed, max(1, round(share * bed.n))) for share in budgets}}


def _at(bed: Bed, k: int) -> dict[str, Any]:
    rule = half_saturation(bed.rows, k)

    def by_log_det(alpha: float, weight: float = 0.0) -> Selection:
        return greedy(bed.rows, k, objective=LogDet(alpha), penalty=Conflict(weight) if weight else None)

    def by_variance(alpha: float) -> Selection:
        return greedy(bed.rows, k, objective=TargetVariance(alpha=alpha))

    def automatic(alpha: float) -> dict[str, Any]:
        found = least_weight(bed.rows, lambda weight: by_log_det(alpha, weight), lambda i: bed.draw(k, i), alpha=alpha)
        return {"weight": found.weight, "fits": found.fits}

    def sweep(alpha: float) -> dict[str, Any]:
        free = by_log_det(alpha)
        return {str(weight): bed.told(by_log_det(alpha, weight), free, alpha) for weight in GRID}

    plain, variance = by_log_det(1.0), by_variance(1.0)
    return {
        "picks": k,
        "rule": {"alpha": rule.alpha, "half": rule.half, "leverage": rule.leverage},
        "random_conflicting": float(np.mean([conflicting_share(bed.draw(k, i)) for i in range(CHANCE)])),
        "alpha": {str(a): bed.told(by_log_det(a), plain, a) for a in (*ALPHAS, rule.alpha)},
        "alpha_of_variance": {str(a): bed.told(by_variance(a), variance, a) for a in (*ALPHAS, rule.alpha)},
        "weight": {str(a): {"automatic": automatic(a), "sweep": sweep(a)} for a in (1.0, rule.alpha)},
        "stop": {str(a): {str(one.omega): one.picks for one in early_stops(by_log_det(a))} for a in ALPHAS},
        "pools": {str(m): bed.told(pools(bed.rows, k, pool_size=m), plain, 1.0) for m in POOLS if m < bed.n},
    }
