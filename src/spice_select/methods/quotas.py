"""Shares of the choice by source, in rows or, under a budget in tokens, in tokens."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from spice_select.errors import InputError
from spice_select.methods.budget import Allowance
from spice_select.selection import Quota
from spice_select.settings.counted import counted

_EXACT = 1e-9


def quotas_of(
    sources: Sequence[str], tokens: Sequence[int], whole: Allowance, low: float | None, high: float | None
) -> dict[str, Quota]:
    """Every source's least and most rows or tokens of a choice; {} where no share is asked for.

    Args:
        sources, tokens: the group and the length of each candidate.
        whole: what is chosen in all.
        low, high: least and most share of every source, between 0 and 1; None for no limit.
    """
    if low is None and high is None:
        return {}
    amount, sizes = _amount(whole), Counter[str]()
    for source, length in zip(sources, tokens, strict=True):
        sizes[source] += 1 if whole.tokens is None else int(length)
    low, high = low or 0.0, 1.0 if high is None else high
    least, most = round(low * amount), max(1, round(high * amount))
    # halves and thirds need not add up to the whole: shares that do are not to be refused for what rounding makes
    if whole.tokens is not None or (least * len(sizes) > amount and low * len(sizes) <= 1 + _EXACT):
        least = math.floor(low * amount + _EXACT)
    if whole.tokens is not None or (most * len(sizes) < amount and high * len(sizes) >= 1 - _EXACT):
        most = math.ceil(high * amount - _EXACT)
    # a source smaller than its quota gives all it has
    return {name: Quota(minimum=min(least, size), maximum=min(most, size)) for name, size in sorted(sizes.items())}


def rooms(quotas: Mapping[str, Quota], left: int, spent: Mapping[str, int]) -> dict[str, int]:
    """Source → the most tokens its next row may have.

    What is left less what other sources are still owed, and no more than its own share still allows.
    """
    owed = {name: max(0, quota.minimum - spent.get(name, 0)) for name, quota in quotas.items()}
    free = left - sum(owed.values())
    most = {
        name: left if quota.maximum is None else quota.maximum - spent.get(name, 0) for name, quota in quotas.items()
    }
    return {name: min(free + owed[name], most[name]) for name in quotas}


def quota_faults(
    sources: Sequence[str], tokens: Sequence[int], whole: Allowance, low: float | None, high: float | None
) -> list[str]:
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
    quotas, amount = quotas_of(sources, tokens, whole, low, high), _amount(whole)
    least, most = sum(q.minimum for q in quotas.values()), sum(q.maximum or 0 for q in quotas.values())
    unit, told, faults = whole.unit, counted(len(quotas), "source"), []
    if low is not None and least > amount:
        faults.append(
            f"--per-source-min {low:g}: the shares of {told} come to {least} {unit}, and the budget is "
            f"{amount}. Give at most {1 / len(quotas):.3g}, or a larger --budget."
        )
    if high is not None and most < amount:
        faults.append(
            f"--per-source-max {high:g}: {told} may give {most} {unit} at most, and the budget is "
            f"{amount}. Give a larger share, or a smaller --budget."
        )
    return faults or _no_row_fits(sources, tokens, whole, quotas)


def _no_row_fits(
    sources: Sequence[str], tokens: Sequence[int], whole: Allowance, quotas: Mapping[str, Quota]
) -> list[str]:
    if whole.tokens is None:
        return []
    most = rooms(quotas, whole.tokens, {})
    if any(length <= most[source] for source, length in zip(sources, tokens, strict=True)):
        return []
    return [
        f"a budget of {whole.tokens} {whole.unit}: every row is longer than its source's share of it, so none fits. "
        "Raise --budget or --per-source-max, or lower --per-source-min."
    ]


def check_quotas(
    sources: Sequence[str], tokens: Sequence[int], whole: Allowance, low: float | None, high: float | None
) -> None:
    """Raise InputError with `quota_faults`, if there are any."""
    faults = quota_faults(sources, tokens, whole, low, high)
    if faults:
        raise InputError(" ".join(faults))


def _amount(whole: Allowance) -> int:
    return (whole.rows or 0) if whole.tokens is None else whole.tokens
