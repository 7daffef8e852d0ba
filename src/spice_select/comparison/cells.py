"""How a number of a comparison is written in a table."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from spice_select.comparison.report_table import Line
from spice_select.comparison.statistics import CrossedEstimate, Ratio
from spice_select.comparison.statistics.verdicts import MOST_TOKENS_APART


def estimate_line(estimate: CrossedEstimate | None) -> Line | None:
    """An estimate with its ends, for JSON."""
    if estimate is None:
        return None
    low, high = estimate.interval()
    return {
        "mean": estimate.mean,
        "half": estimate.half(),
        "low": low,
        "high": high,
        "p": estimate.p(),
        "df": estimate.df,
    }


def ratio_line(one: Ratio | None) -> Line | None:
    """A ratio with its ends, for JSON."""
    return None if one is None else {"value": one.value, "low": one.low, "high": one.high, "bounded": one.bounded}


def seeds_text(seeds: Sequence[int]) -> str:
    """Their numbers, with commas."""
    return ", ".join(map(str, seeds))


def shown_plain(value: Any) -> str:
    return "" if value is None else str(value)


def shown_seeds(value: Sequence[int] | None) -> str:
    return seeds_text(value or ())


def shown_passed(value: bool) -> str:
    """Of random against random."""
    return "none found, as it should be" if value else "a false one"


def shown_count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def shown_tokens(value: tuple[float, float] | None) -> str:
    """Marked where they are not those of random."""
    if value is None:
        return ""
    supervised, apart = value
    return f"{supervised:,.0f}" + (f" † ({apart:+.0%})" if abs(apart) > MOST_TOKENS_APART else "")


def shown_loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def shown_difference(value: Line | None) -> str:
    """A mean, and half of its 95 % interval."""
    return "" if value is None else f"{value['mean']:+.4f} ± {value['half']:.4f}"


def shown_ends(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"[{value[0]:+.4f}, {value[1]:+.4f}]"


def shown_ratio(value: Line | None) -> str:
    """A ratio with its interval; words where there is nothing to be a share of."""
    if value is None:
        return ""
    if math.isnan(value["value"]):
        return "nothing to gain"
    ends = f"[{value['low']:+.2f}, {value['high']:+.2f}]" if value["bounded"] else "(unbounded)"
    return f"{value['value']:+.2f} {ends}"


def shown_percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def shown_chance(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if value >= 0.0001 else "< .0001"


def shown_signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def shown_flops(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}"


def shown_spread(values: Sequence[float], form: str) -> str:
    """Mean ± standard deviation; the value alone where there is one, and nothing of none."""
    if not values:
        return ""
    mean = form.format(np.mean(values))
    return mean if len(values) == 1 else f"{mean} ± {form.format(np.std(values, ddof=1))}"
