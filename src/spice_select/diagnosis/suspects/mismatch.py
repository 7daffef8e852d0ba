"""Answers that do not belong to their question: the model finds them less likely than answers of that kind are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.suspects.base import Evidence, Found
from spice_select.diagnosis.suspects.outliers import listed, standardised
from spice_select.progress import Advance

CUT = 3.0
"""Standard deviations above its source and length at which a row is listed by its loss alone. Of normal residuals one
in 700 lies there; losses have a heavy tail, and of sound rows some 2 to 3 % were found there."""
_UNHELPED = 0.0
"""Nats that a question must take from its answer's loss: one that takes nothing has nothing to do with it."""


class Mismatched:
    """Rows whose answer is no likelier for its question, or dear for its source and length; see `mismatch_scores`.

    At most `MOST` of the rows are listed, the highest scores first; the note says how many there would be.
    """

    name = "mismatched"
    summary = "answers that do not seem to belong to their question: their question makes them no likelier to the proxy"
    needs = ("losses",)

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: `mismatch_scores`. Cost: next to nothing once the losses are known."""
        assert evidence.losses is not None, "it needs them"
        losses, alone, lengths = evidence.losses, evidence.unprompted, evidence.supervised
        scores = mismatch_scores(losses, lengths, evidence.sources, alone)
        advance(len(evidence))
        if alone is None:
            return listed(self.name, evidence.rows, scores, CUT, lambda place: _dear(losses[place], scores[place]))
        return listed(
            self.name,
            evidence.rows,
            scores,
            _UNHELPED,
            lambda place: (
                f"after its question the answer costs {losses[place]:.2f} nats a token, and {alone[place]:.2f} "
                f"without it: {scores[place]:.1f} nats more in all"
            ),
        )


def _dear(loss: float, score: float) -> str:
    return f"its answer costs {loss:.2f} nats a token: {score:.1f} deviations above its source's answers of that length"


def mismatch_scores(
    losses: NDArray[np.float64],
    supervised: NDArray[np.int64],
    sources: Sequence[str],
    unprompted: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """How little each answer seems to belong to its question.

    With the losses of the answers alone: log p(answer) − log p(answer | question), in nats over the whole answer, the
    pointwise mutual information with its sign turned. It is nought where the two have nothing to do with each other,
    whatever the source and the length. Without: how far the loss lies above what source and the logarithm of the
    length say, in robust standard deviations; see `standardised`.

    Args:
        losses: nats a supervised token, after the question, float64 ``[n]``; NaN where it is not known.
        supervised: tokens trained on, ``[n]``.
        sources: the group of each row.
        unprompted: nats a supervised token without the question, float64 ``[n]``, or None.

    Returns:
        float64 ``[n]``, higher fits less; NaN where a loss is.
    """
    if unprompted is not None:
        return (losses - unprompted) * supervised
    known = np.isfinite(losses)
    scores = np.full(len(losses), np.nan)
    if known.any():
        lengths = np.log(np.maximum(supervised[known], 1))[:, None]
        scores[known] = standardised(
            losses[known], lengths, [sources[place] for place in np.flatnonzero(known).tolist()]
        )
    return scores
