"""Shares of the choice by source."""

from collections import Counter
from collections.abc import Sequence

from spice_select.errors import InputError
from spice_select.selection import Quota


def quotas_of(sources: Sequence[str], k: int, low: float | None, high: float | None) -> dict[str, Quota]:
    """Every source's least and most rows of a choice of k; {} where no share is asked for.

    Args:
        sources: the group of each candidate.
        k: rows to choose.
        low, high: least and most share of every source, between 0 and 1; None for no limit.
    """
    if low is None and high is None:
        return {}
    most = k if high is None else max(1, round(high * k))
    least = 0 if low is None else round(low * k)
    # a source smaller than its quota gives all it has
    return {
        name: Quota(minimum=min(least, count), maximum=min(most, count))
        for name, count in sorted(Counter(sources).items())
    }


def quota_faults(sources: Sequence[str], k: int, low: float | None, high: float | None) -> list[str]:
    """What keeps these shares from being met, a sentence each with its remedy; none if nothing does."""
    if low is None and high is None:
        return []
    if set(sources) == {""}:
        return [
            "--per-source-min and --per-source-max need a `source` or `dataset` column in the corpus, which has none. "
            "Add one, or leave them out."
        ]
    if low is not None and high is not None and low > high:
        return [f"--per-source-min {low:g} is above --per-source-max {high:g}. Swap them, or leave one out."]
    quotas = quotas_of(sources, k, low, high).values()
    least, most = sum(quota.minimum for quota in quotas), sum(quota.maximum or 0 for quota in quotas)
    faults = []
    if low is not None and least > k:
        faults.append(
            f"--per-source-min {low:g}: the shares of {len(quotas)} sources come to {least} rows, and the budget is "
            f"{k}. Give at most {1 / len(quotas):.3g}, or a larger --budget."
        )
    if high is not None and most < k:
        faults.append(
            f"--per-source-max {high:g}: {len(quotas)} sources may give {most} rows at most, and the budget is {k}. "
            "Give a larger share, or a smaller --budget."
        )
    return faults


def check_quotas(sources: Sequence[str], k: int, low: float | None, high: float | None) -> None:
    """Raise InputError with `quota_faults`, if there are any."""
    faults = quota_faults(sources, k, low, high)
    if faults:
        raise InputError(" ".join(faults))
