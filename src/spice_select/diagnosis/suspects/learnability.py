"""Rows that a model cannot learn from others of their kind: noise, whatever its cause."""

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.suspects.base import Evidence, Found
from spice_select.diagnosis.suspects.outliers import listed, standardised
from spice_select.progress import Advance

UNLEARNT = 3.0
"""Standard deviations below its source and length at which a row is listed."""


class Unlearnable:
    """Rows whose loss a training on other rows lowers far less than that of their source's other rows, or raises.

    At most `MOST` of the rows are listed, the highest scores first; the note says how many there would be.
    """

    name = "unlearnable"
    summary = "rows whose loss a short training on other rows does not lower; on request; finds no swapped answers"
    needs = ("learnability",)

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: how far cold − warm loss lies below what source and length say, in robust standard deviations."""
        assert evidence.learnability is not None, "it needs it"
        gained, scores = evidence.learnability, unlearnable_scores(evidence)
        advance(len(evidence))
        return listed(
            self.name,
            evidence.rows,
            scores,
            UNLEARNT,
            lambda place: (
                f"training on other rows takes {gained[place]:+.3f} nats a token from its loss: "
                f"{scores[place]:.1f} deviations less than from its source's rows of that length"
            ),
        )


def unlearnable_scores(evidence: Evidence) -> NDArray[np.float64]:
    """−(cold − warm) after source and the logarithm of the length, standardised, float64 ``[n]``; NaN where unknown."""
    assert evidence.learnability is not None, "it needs it"
    known = np.isfinite(evidence.learnability)
    scores = np.full(len(evidence), np.nan)
    if known.any():
        lengths = np.log(np.maximum(evidence.supervised[known], 1))[:, None]
        sources = [evidence.sources[place] for place in np.flatnonzero(known).tolist()]
        scores[known] = standardised(-evidence.learnability[known], lengths, sources)
    return scores
