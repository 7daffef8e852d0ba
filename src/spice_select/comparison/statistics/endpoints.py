"""What a run is judged by: one number, and what each held-out row has to do with it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.comparison.records import Held
from spice_select.comparison.statistics.crossed import Strata
from spice_select.errors import InputError
from spice_select.numerics.arrays import Vector


class Endpoint(Protocol):
    """A mean over held-out rows, or a ratio of sums over them; nats, lower is better."""

    name: str

    def value(self, held: Held) -> float:
        """The number of one run."""
        ...

    def contributions(self, sums: Vector, held: Held) -> Vector:
        """``[R]``, with the value as its mean, and its scatter that of a mean of as many independent rows.

        A ratio is linearised at its own value (delta method): row r moves n/t by (n_r − (n/t)·t_r)/t. Linear in
        `sums`, so that the difference of two runs' contributions is that of their values.
        """
        ...

    def strata(self, held: Held) -> Strata | None:
        """The part that each row stands for, where the number is a mean over parts, each of rows of its own."""
        ...


class LossPerToken:
    """Σ losses / Σ supervised tokens: a long response counts for its length."""

    def __init__(self, name: str = "loss per token"):
        self.name = name

    def value(self, held: Held) -> float:
        return float(held.sums.sum() / held.tokens.sum())

    def contributions(self, sums: Vector, held: Held) -> Vector:
        return _linearised(sums, held.tokens)

    def strata(self, held: Held) -> None:
        return None


class MeanOfRows:
    """Mean over rows of the row's own loss per token: a one-word answer counts as much as an essay."""

    def __init__(self, name: str = "mean of row losses"):
        self.name = name

    def value(self, held: Held) -> float:
        return float((held.sums / held.tokens).mean())

    def contributions(self, sums: Vector, held: Held) -> Vector:
        return sums / held.tokens

    def strata(self, held: Held) -> None:
        return None


class MacroOverSources:
    """Mean over sources of `each` within the source. The sources are fixed: the claim is about these ones."""

    def __init__(self, each: Endpoint | None = None):
        self.each = each or LossPerToken()
        self.name = f"macro over sources of the {self.each.name}"

    def value(self, held: Held) -> float:
        return float(np.mean([self.each.value(held.only(own)) for own in _sources(held).values()]))

    def contributions(self, sums: Vector, held: Held) -> Vector:
        groups, rows = _sources(held), len(sums)
        within, values = np.empty(rows), []
        for source, own in groups.items():
            count = int(own.sum())
            if count < 2:
                raise InputError(
                    f"{source}: has one row in {held.name}, and one row has no spread. Hold out more rows of it, or "
                    "judge by the loss per token."
                )
            lines = self.each.contributions(sums[own], held.only(own))
            # each source loses its own degree of freedom, not a share of one
            lost = np.sqrt(count / (count - 1) * (rows - 1) / rows)
            within[own] = (lines - lines.mean()) * lost * rows / (count * len(groups))
            values.append(lines.mean())
        return np.mean(values) + within

    def strata(self, held: Held) -> Strata:
        places = {source: place for place, source in enumerate(dict.fromkeys(held.sources))}
        return np.array([places[source] for source in held.sources], np.int64)


def _linearised(sums: Vector, tokens: Vector) -> Vector:
    value = sums.sum() / tokens.sum()
    return value + (sums - value * tokens) / tokens.mean()


def _sources(held: Held) -> dict[str, NDArray[np.bool_]]:
    labels = np.asarray(held.sources, dtype=object)
    return {source: labels == source for source in dict.fromkeys(held.sources)}
