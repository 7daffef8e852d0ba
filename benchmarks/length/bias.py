"""Norm against response length, and what is chosen, under the token mean, the token sum and unit norms.

One gradient pass serves all three: a row's sum gradient is n times its mean gradient, and a unit one is either scaled.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.features.normalise import normalised
from spice_select.selection import Conflict, greedy

BUDGETS = (0.01, 0.1, 0.3)
PENALTY = 0.1
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def scaled(
    features: NDArray[np.float32], norms: NDArray[np.float64], lengths: NDArray[np.int64]
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Features ``[n, d]`` and exact norms ``[n]`` under each reduction, from those of the token mean.

    Unit features are divided by their own sketched norms, as `spice select` does.
    """
    return {
        "token-mean": (features, norms),
        "token-sum": (features * lengths[:, None].astype(np.float32), norms * lengths),
        "unit-norm": (normalised(features, "unit"), np.ones_like(norms)),
    }


def length_bias(
    features: NDArray[np.float32],
    norms: NDArray[np.float64],
    lengths: NDArray[np.int64],
    budgets: Sequence[float] = BUDGETS,
) -> dict[str, Any]:
    """One record for each reduction: slope, correlations, spread of the norms, and what each budget buys (α = 1)."""
    report: dict[str, Any] = {
        "rows": len(norms),
        "supervised_tokens": int(lengths.sum()),
        "lengths": dict(zip(map(str, QUANTILES), np.quantile(lengths, QUANTILES).tolist(), strict=True)),
        "reductions": {},
    }
    for name, (matrix, sizes) in scaled(features, norms, lengths).items():
        record = _relation(sizes, lengths) if name != "unit-norm" else {"slope": 0.0, "correlation": 0.0}
        chosen = {f"{budget:.0%}": _chosen(matrix, lengths, budget) for budget in budgets}
        report["reductions"][name] = {**record, "chosen": chosen}
    return report


def _relation(norms: NDArray[np.float64], lengths: NDArray[np.int64]) -> dict[str, Any]:
    """Least squares of log norm on log length, with Pearson's (of the logarithms) and Spearman's correlation."""
    x, y = np.log(lengths), np.log(norms)
    return {
        "slope": float(np.polyfit(x, y, 1)[0]),
        "correlation": float(np.corrcoef(x, y)[0, 1]),
        "rank_correlation": float(np.corrcoef(_ranks(x), _ranks(y))[0, 1]),
        "norms": dict(zip(map(str, QUANTILES), np.quantile(norms, QUANTILES).tolist(), strict=True)),
    }


def _chosen(matrix: NDArray[np.float32], lengths: NDArray[np.int64], budget: float) -> dict[str, Any]:
    picked = greedy(matrix, max(1, round(budget * len(matrix))), penalty=Conflict(PENALTY)).indices
    return {
        "rows": len(picked),
        "supervised_tokens": int(lengths[picked].sum()),
        "share_of_tokens": float(lengths[picked].sum() / lengths.sum()),
        "median_length": float(np.median(lengths[picked])),
        "mean_length": float(np.mean(lengths[picked])),
        "length_quantile": float(np.mean(_midranks(lengths)[picked])),
    }


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 0, ties sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse]


def _midranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Where each value stands, in (0, 1); a choice blind to length has 0.5 on average."""
    return (_ranks(values) + 0.5) / len(values)
