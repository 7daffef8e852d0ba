"""DEITA's filter: the best by a score that resemble no better one (Liu et al., ICLR 2024, arXiv 2312.15685)."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.features.poolings import LAST, STATES
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.helped import ALONE, PROMPTED, least_helped_first, ratios, unhelped_notes
from spice_select.methods.points import unit_points
from spice_select.methods.stepwise import stepwise
from spice_select.progress import Progress

THRESHOLDS = (0.9, 0.92, 0.94, 0.96, 0.98, 1.0)
"""Cosines above which a row is passed over, as they are raised; 1 passes nothing over."""


class Deita(Method):
    """Down the order of IFD, a row is taken unless a row taken before has a cosine above 0.9 with it.

    By the last token's hidden states. Where that yields too few, what was passed over is gone through again at 0.92,
    and so on, until nothing is left: a smaller budget is the beginning of a larger one, and a run says how far it had
    to go. The published scores, complexity times quality as two fine-tuned 7 B models rate them, are not computed
    here: IFD stands in for them. Small proxies have states that are much alike: the filter then says little.

    Cost: O(nkd), and 8·n·d bytes.
    """

    name: ClassVar[str] = "deita"
    summary: ClassVar[str] = "the best by IFD that resemble no better one by hidden states of the last token"
    source: ClassVar[str] = "arXiv 2312.15685"
    no_pairs: ClassVar[str] = "it compares hidden states of single answers, and a pair has two"
    no_marks: ClassVar[str] = "it takes those that are hardest to learn first, as if every one were to be learnt"

    def needs(self) -> tuple[str, ...]:
        """Losses with and without the prompt, and hidden states: three forward passes, one of the responses alone."""
        return (PROMPTED, ALONE, STATES)

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """How far the threshold was raised; and as `unhelped_notes`."""
        reached, later = choice.columns["threshold"].max(), (choice.columns["threshold"] > THRESHOLDS[0]).sum()
        if not later:
            return unhelped_notes(candidates)
        return (
            f"DEITA: {later:,} of {len(choice):,} picks have a cosine above {THRESHOLDS[0]:g} with a better one: too "
            f"few had not, and the threshold was raised to {reached:g}.",
            *unhelped_notes(candidates),
        )

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows ``ifd`` and the ``threshold`` that let a pick in."""
        ratio, threshold = ratios(candidates), np.zeros(len(candidates))
        order = unlike_better(unit_points(candidates, LAST), least_helped_first(ratio, candidates.rows), threshold)
        known = {"ifd": ratio, "threshold": threshold}
        return stepwise(order, candidates, allowance, path=self.name, progress=progress, known=known)


def unlike_better(
    points: NDArray[np.float64], ranking: NDArray[np.int64], threshold: NDArray[np.float64]
) -> Iterator[int]:
    """Every position once: those unlike all taken before them in the ranking, then the others as thresholds rise.

    Args:
        points: ``[n, d]`` of length one.
        ranking: every position, the best first.
        threshold: ``[n]``, filled in: the one at which each was taken.
    """
    nearest, left = np.full(len(points), -1.0), ranking.tolist()
    for most in THRESHOLDS:
        passed = []
        for position in left:
            if most < 1 and nearest[position] > most:
                passed.append(position)
                continue
            threshold[position] = most
            yield position
            np.maximum(nearest, points @ points[position], out=nearest)
        left = passed
