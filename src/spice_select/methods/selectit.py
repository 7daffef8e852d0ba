"""SelectIT: rows that the proxy itself rates highest and most surely (Liu et al., NeurIPS 2024, arXiv 2402.16705)."""

from itertools import combinations
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.features.rating_prompts import RATINGS
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress

_RATINGS = "ratings"
_ALPHA = 0.2
"""α, how much disagreement between the questions takes away (the paper's)."""


class SelectIt(Method):
    """The highest rating, weighted by how sure the proxy is of it and how far five questions agree.

    For each question P' are the probabilities of 1 … 5, S the likeliest (of equal ones the lower), and the score
    S · Σ_i |P'_i − P'_S| / 4; a row's is their mean / (1 + α · standard deviation), α = 0.2. Equal ones by row number.
    This is the paper's formula for one model, with questions of our own; the authors' program puts P' through another
    softmax. A small proxy rates nearly at random: the notes of a run say how nearly.
    """

    name: ClassVar[str] = "selectit"
    summary: ClassVar[str] = "the highest ratings by the proxy itself, five questions a row (SelectIT)"
    source: ClassVar[str] = "arXiv 2402.16705"
    no_pairs: ClassVar[str] = "it asks the proxy for ratings of single answers, and a pair has two"
    no_marks: ClassVar[str] = "it asks the proxy how good each answer is, as if every one were to be learnt"

    def needs(self) -> tuple[str, ...]:
        """Ratings: a forward pass of each row and of five questions behind it."""
        return (_RATINGS,)

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """How much the ratings say: their entropy, and whether the questions agree more than by chance."""
        shares = rating_shares(candidates)
        entropy = np.sum(shares * -np.log(np.maximum(shares, 1e-30)), axis=2).mean() / np.log(RATINGS)
        agreed, chance = agreement_of_questions(shares.argmax(axis=2))
        mass = candidates.features[_RATINGS]["mass"].mean()
        return (
            f"SelectIT: the proxy answers with a rating with probability {mass:.2f}; its ratings have {entropy:.0%} of "
            f"the entropy of a fair die's with five sides; two questions give a row the same rating in {agreed:.0%} of "
            f"the cases, where {chance:.0%} would be chance.",
        )

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows the ``rating`` of each pick, 0 … 5."""
        scores = rating_scores(rating_shares(candidates))
        order = np.lexsort((candidates.rows, -scores))
        return best_ranked(order, candidates, allowance, path=self.name, known={"rating": scores})


def rating_shares(candidates: Candidates) -> NDArray[np.float64]:
    """P' of each row after each question, float64 ``[n, questions, 5]``."""
    features = candidates.features[_RATINGS].features
    return features.reshape(len(features), -1, RATINGS).astype(np.float64)


def rating_scores(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score of each row, ``[n]``, from P' ``[n, questions, 5]``; see `SelectIt`."""
    best = shares.argmax(axis=2)
    apart = np.abs(shares - shares.max(axis=2, keepdims=True)).sum(axis=2) / (RATINGS - 1)
    scores = (best + 1) * apart
    return np.asarray(scores.mean(axis=1) / (1 + _ALPHA * scores.std(axis=1)))


def agreement_of_questions(ratings: NDArray[np.int64]) -> tuple[float, float]:
    """How often two questions give a row one rating, and how often they would if rows did not matter.

    Args:
        ratings: 0 … 4, ``[n, questions]``.
    """
    frequencies = np.stack([np.mean(ratings == rating, axis=0) for rating in range(RATINGS)])  # [5, questions]
    pairs = list(combinations(range(ratings.shape[1]), 2))
    agreed = np.mean([np.mean(ratings[:, one] == ratings[:, other]) for one, other in pairs])
    chance = np.mean([frequencies[:, one] @ frequencies[:, other] for one, other in pairs])
    return float(agreed), float(chance)
