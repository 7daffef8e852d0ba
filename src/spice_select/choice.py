"""What is chosen from a feature matrix: the selector, as the settings describe it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.config import SelectionSettings
from spice_select.data.budget import Budget
from spice_select.data.records import Drop
from spice_select.errors import InputError
from spice_select.selection import (
    Conflict,
    GainRatio,
    LogDet,
    Objective,
    Quota,
    Selection,
    TargetVariance,
    greedy,
    pools,
)
from spice_select.store import FeatureBlock


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """The rule by which rows are picked.

    Attributes:
        objective: the information.
        penalty: what is subtracted; None where λ = 0.
        stop: rules that may end a run early.
    """

    objective: Objective
    penalty: Conflict | None
    stop: tuple[GainRatio, ...]

    def options(self) -> dict[str, Any]:
        """As arguments of `greedy` and `pools`."""
        return {"objective": self.objective, "penalty": self.penalty, "stop": self.stop}


_OBJECTIVES: dict[str, Callable[..., Objective]] = {"log-det": LogDet, "target-variance": TargetVariance}


def information(settings: SelectionSettings) -> LogDet:
    """What every choice is judged by, whatever it was made by: log det with the settings' α."""
    return LogDet(alpha=settings.alpha)


def criterion(settings: SelectionSettings) -> Criterion:
    """The rule that the settings describe."""
    return Criterion(
        objective=_OBJECTIVES[settings.objective](alpha=settings.alpha),
        penalty=Conflict(weight=settings.conflict_weight) if settings.conflict_weight else None,
        stop=() if settings.stop_ratio is None else (GainRatio(settings.stop_ratio),),
    )


def choose(
    matrix: NDArray[np.floating],
    features: FeatureBlock,
    sources: Sequence[str],
    budget: Budget,
    settings: SelectionSettings,
) -> Selection:
    """Select rows of a feature matrix.

    Args:
        matrix: ``[n, d]``, the features as the selector sees them (`normalised`).
        features: what belongs to each row; its tokens are what a token budget is spent on.
        sources: the group of each row, for quotas.
        budget: how much to choose.
        settings: by which rule.

    Raises:
        InputError: quotas without sources, quotas or token budgets with pools, quotas that cannot be met.
    """
    options = criterion(settings).options()
    if budget.tokens is not None:
        return _within_tokens(matrix, features, budget.tokens, settings, options)
    k = budget.rows(len(matrix))
    if settings.schedule == "pools":
        return pools(matrix, k, pool_size=settings.pool_size, seed=settings.seed, **options)
    return greedy(matrix, k, **options, **_quotas(sources, k, settings))


def _within_tokens(
    matrix: NDArray[np.floating],
    features: FeatureBlock,
    tokens: int,
    settings: SelectionSettings,
    options: dict[str, Any],
) -> Selection:
    """Greedy by gain and by gain per token, whichever holds more: see `greedy` for the guarantee."""
    clash = {
        "--schedule pools": settings.schedule == "pools",
        "--per-source-min": settings.per_source_min is not None,
        "--per-source-max": settings.per_source_max is not None,
    }
    for flag, given in clash.items():
        if given:
            raise InputError(f"{flag} with a budget in tokens: shares need a number of rows. Give --budget in rows.")
    if tokens < features.tokens.min():
        raise InputError(
            f"budget {tokens}-tokens: the shortest row has {features.tokens.min()} tokens, so none fits. Give more."
        )
    return greedy(matrix, **options, costs=features.tokens, max_cost=tokens)


def _quotas(sources: Sequence[str], k: int, settings: SelectionSettings) -> dict[str, Any]:
    """Every source's least and most rows, from the shares in the settings."""
    low, high = settings.per_source_min, settings.per_source_max
    if low is None and high is None:
        return {}
    names = sorted(set(sources))
    if names == [""]:
        raise InputError(
            "--per-source-min and --per-source-max need a `source` or `dataset` column in the corpus, which has none. "
            "Add one, or leave them out."
        )
    counts = {name: sources.count(name) for name in names}
    most = k if high is None else max(1, round(high * k))
    least = 0 if low is None else round(low * k)
    # a source smaller than its quota gives all it has
    return {
        "groups": sources,
        "quotas": {name: Quota(minimum=min(least, counts[name]), maximum=most) for name in names},
    }


def normalised(matrix: NDArray[np.float32], rule: str) -> NDArray[np.floating]:
    """The matrix as the selector sees it: as it is, or with rows of length one (zero rows stay zero).

    Unit rows are float64: every row's first gain is then log(1 + α) to within the selector's tie, so the lowest row
    comes first. In float32 rounding would decide, and with it the batch that a row happened to be computed in.
    """
    if rule == "none":
        return matrix
    rows = matrix.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows


def usable(block: FeatureBlock) -> tuple[FeatureBlock, list[Drop]]:
    """Split off the rows whose loss or gradient is not a number."""
    bad = np.flatnonzero(~block.finite)
    drops = [
        Drop(int(block.rows[i]), "non-finite", f"loss {block.losses[i]} or its gradient is not a finite number")
        for i in bad
    ]
    return (block.take(block.finite) if len(bad) else block), drops
