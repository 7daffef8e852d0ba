"""What is chosen from a feature matrix: the selector, as the settings describe it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.config import SelectionSettings
from spice_select.data.records import Drop
from spice_select.errors import InputError
from spice_select.methods.budget import Budget
from spice_select.progress import Progress, Silent
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
    progress: Progress | None = None,
) -> Selection:
    """Select rows of a feature matrix.

    Args:
        matrix: ``[n, d]``, the features as the selector sees them (`normalised`).
        features: what belongs to each row; its tokens are what a token budget is spent on.
        sources: the group of each row, for quotas.
        budget: how much to choose.
        settings: by which rule.
        progress: shown how much of the budget is used.

    Raises:
        InputError: quotas without sources, quotas or token budgets with pools, quotas that cannot be met.
    """
    check_choice(sources, features.tokens, budget, settings)
    options, shown = criterion(settings).options(), progress or Silent()
    if budget.tokens is not None:  # by gain and by gain per token, whichever holds more: see `greedy` for the guarantee
        with shown.task("Selection", 2 * budget.tokens, "tokens, in two runs") as advance:
            return greedy(matrix, **options, **priced(features, budget), progress=advance)
    k = budget.rows(len(matrix))
    with shown.task("Selection", k, "rows") as advance:
        if settings.schedule == "pools":
            options |= {"pool_size": settings.pool_size, "seed": settings.seed}
            return pools(matrix, k, **options, progress=advance)
        return greedy(matrix, k, **options, **_quotas(sources, k, settings), progress=advance)


def priced(features: FeatureBlock, budget: Budget) -> dict[str, Any]:
    """A budget in tokens as arguments of `greedy` and `certificate`; {} where rows are counted."""
    return {} if budget.tokens is None else {"costs": features.tokens, "max_cost": budget.tokens}


def check_choice(
    sources: Sequence[str], tokens: Sequence[int] | NDArray[np.integer], budget: Budget, settings: SelectionSettings
) -> None:
    """Refuse, before hours are spent on gradients, what no choice from these rows can meet.

    Args:
        sources: the group of each usable row.
        tokens: the length of each usable row.
        budget, settings: as for `choose`.

    Raises:
        InputError: as `choose`.
    """
    shares = {"--per-source-min": settings.per_source_min, "--per-source-max": settings.per_source_max}
    quotas = [flag for flag, share in shares.items() if share is not None]
    if budget.tokens is not None:
        clash = [*(["--schedule pools"] if settings.schedule == "pools" else []), *quotas]
        if clash:
            raise InputError(
                f"{clash[0]} with a budget in tokens: shares need a number of rows. Give --budget in rows."
            )
        if budget.tokens < min(tokens):
            raise InputError(f"budget {budget}: the shortest row has {min(tokens)} tokens, so none fits. Give more.")
    elif quotas and settings.schedule == "pools":
        raise InputError(
            f"{quotas[0]} with --schedule pools: shares hold for a whole choice, not for a pool. Leave it out."
        )
    elif quotas:
        _check_quotas(sources, budget.rows(len(sources)), settings)


def _check_quotas(sources: Sequence[str], k: int, settings: SelectionSettings) -> None:
    low, high = settings.per_source_min, settings.per_source_max
    if set(sources) == {""}:
        raise InputError(
            "--per-source-min and --per-source-max need a `source` or `dataset` column in the corpus, which has none. "
            "Add one, or leave them out."
        )
    if low is not None and high is not None and low > high:
        raise InputError(f"--per-source-min {low:g} is above --per-source-max {high:g}. Swap them, or leave one out.")
    quotas = _quotas(sources, k, settings)["quotas"].values()
    least, most = sum(quota.minimum for quota in quotas), sum(quota.maximum for quota in quotas)
    if least > k:
        raise InputError(
            f"--per-source-min {low:g}: the shares of {len(quotas)} sources come to {least} rows, and the budget is "
            f"{k}. Give at most {1 / len(quotas):.3g}, or a larger --budget."
        )
    if most < k:
        raise InputError(
            f"--per-source-max {high:g}: {len(quotas)} sources may give {most} rows at most, and the budget is {k}. "
            "Give a larger share, or a smaller --budget."
        )


def _quotas(sources: Sequence[str], k: int, settings: SelectionSettings) -> dict[str, Any]:
    """Every source's least and most rows, from the shares in the settings."""
    low, high = settings.per_source_min, settings.per_source_max
    if low is None and high is None:
        return {}
    counts = Counter(sources)
    most = k if high is None else max(1, round(high * k))
    least = 0 if low is None else round(low * k)
    # a source smaller than its quota gives all it has
    quotas = {
        name: Quota(minimum=min(least, count), maximum=min(most, count)) for name, count in sorted(counts.items())
    }
    return {"groups": sources, "quotas": quotas}


def normalised(matrix: NDArray[np.float32], rule: str) -> NDArray[np.floating]:
    """The matrix as the selector sees it: as it is, or with rows of length one (zero rows stay zero).

    Unit rows are float64: every row's first gain is then log(1 + α) to within the selector's tie, so the lowest row
    comes first. In float32 rounding would decide, and with it the batch that a row happened to be computed in.
    """
    if rule == "none":
        return matrix
    rows = matrix.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]  # np.linalg.norm would square a copy of it all
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
