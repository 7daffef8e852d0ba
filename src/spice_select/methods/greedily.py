"""An allowance as arguments of `greedy`: what every method does that picks by gain."""

from typing import Any

from spice_select.methods.base import Candidates
from spice_select.methods.budget import Allowance


def allowed(candidates: Candidates, allowance: Allowance, *, price: float | None = None) -> dict[str, Any]:
    """Rows or tokens, shares of sources, and what rows are priced by, as keywords of `greedy`.

    Args:
        candidates: their tokens are the costs.
        allowance: how much may be taken.
        price: γ of the score / tokensᵞ that rows are ranked by; None for the score, or, under a budget in tokens, for
            the better of two runs, by score and by score per token.
    """
    options: dict[str, Any] = {}
    if allowance.tokens is not None or price is not None:
        options |= {"costs": allowance.costs(candidates), "per_cost": price}
    if allowance.tokens is None:
        options |= {"k": allowance.rows}
    else:
        options |= {"max_cost": allowance.tokens}
    if allowance.quotas:
        shares = "quotas" if allowance.tokens is None else "cost_quotas"
        options |= {"groups": candidates.groups, shares: allowance.quotas}
    return options


def work(allowance: Allowance, price: float | None) -> tuple[int, str]:
    """How much `greedy` will report as done, and in what unit: for a bar."""
    if allowance.tokens is None:
        return allowance.rows or 0, "rows"
    if price is None:
        return 2 * allowance.tokens, f"{allowance.unit}, in two runs"
    return allowance.tokens, allowance.unit
