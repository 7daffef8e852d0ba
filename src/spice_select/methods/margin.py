"""Preference pairs by their margin: those that the proxy tells apart already, or those that it does not."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from spice_select.errors import InputError
from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress


class MarginHigh(Method):
    """The pairs whose chosen answer the proxy finds likelier by most, by the mean log-probability of a token.

    That margin needs no reference. DPO's own, the implicit one, is 0 for every pair where the proxy is its reference.
    """

    name: ClassVar[str] = "margin-high"
    summary: ClassVar[str] = "preference pairs whose chosen answer is likelier by most, by the mean token; a control"
    source: ClassVar[str] = "arXiv 2502.14560"
    reads: ClassVar[frozenset[str]] = frozenset({"alpha", "normalise", "row_weight"})  # by which its picks are judged
    only_pairs: ClassVar[bool] = True
    column: ClassVar[str] = "margin_mean"
    sign: ClassVar[int] = -1

    def needs(self) -> tuple[str, ...]:
        """Gradients: their forward pass knows the margin."""
        return (GRADIENTS,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn."""
        block = candidates.features[GRADIENTS]
        if self.column not in block.columns:
            raise InputError(
                f"--method {self.name}: these gradients know no {self.column}, for no proxy was warmed up by DPO "
                "before they were taken. Give --warm, or --method margin-high or margin-low."
            )
        margins = block[self.column]
        order = np.lexsort((candidates.rows, self.sign * margins))
        return best_ranked(order, candidates, allowance, path=self.name)


class MarginLow(MarginHigh):
    """The pairs that the proxy ranks wrongly by most, by the mean log-probability of a token: the hard ones."""

    name: ClassVar[str] = "margin-low"
    summary: ClassVar[str] = "preference pairs whose rejected answer is likelier by most, by the mean token; a control"
    source: ClassVar[str] = "arXiv 2508.04149"
    sign: ClassVar[int] = 1


class ImplicitHigh(MarginHigh):
    """The pairs whose chosen answer a short training by DPO made likelier by most: the largest Δ, the implicit margin.

    Pairs that the training saw are among them.
    """

    name: ClassVar[str] = "implicit-high"
    summary: ClassVar[str] = "preference pairs that a proxy warmed up by DPO tells apart best; a control"
    source: ClassVar[str] = "arXiv 2502.14560"
    column: ClassVar[str] = "delta"

    @classmethod
    def clashes(cls, settings: Mapping[str, Any]) -> list[str]:
        """Where the proxy is its own reference every Δ is 0."""
        if settings["warm"] or settings["warmup_rows"] is not None or settings["schedule"] == "interleaved":
            return []
        return [
            f"--method {cls.name} without --warm: where the proxy is its own reference, the implicit margin of every "
            "pair is 0. Give --warm, or --method margin-high or margin-low."
        ]


class ImplicitLow(ImplicitHigh):
    """The pairs whose rejected answer that training made likelier by most: the smallest Δ, the hard ones."""

    name: ClassVar[str] = "implicit-low"
    summary: ClassVar[str] = "preference pairs that a proxy warmed up by DPO tells apart worst; a control"
    source: ClassVar[str] = "arXiv 2508.04149"
    sign: ClassVar[int] = 1
