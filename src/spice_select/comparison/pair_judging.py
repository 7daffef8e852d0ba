"""Held-out preference pairs as rows that judge: a row is a prompt, so that pairs of one prompt are not told apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.comparison.terms import ERRORS, FREE_ERRORS, MARGIN
from spice_select.evaluation.preference import PairLogProbs, wins
from spice_select.training.dpo import BETA

MEASURES = ("", ERRORS, MARGIN, FREE_ERRORS)
JUDGED_BY = (
    "Held-out pairs judge in four ways, each lower where a model is better; a row is a prompt. A set by name alone: "
    f"DPO's loss −log σ(βΔ), Δ against the untuned model and β = {BETA:g}. With {ERRORS}: the share ranked wrongly, 1 "
    f"less preference accuracy, ties ½. With {MARGIN}: −βΔ. With {FREE_ERRORS}: the share ranked wrongly by the mean "
    "log-probability of a token, without a reference."
)


def judged_pairs(
    name: str, found: PairLogProbs, first: PairLogProbs, sources: Sequence[str], *, gold: bool = False
) -> list[dict[str, Any]]:
    """A model's records on one set of pairs, in the layout of `records.Held`.

    Args:
        name: of the set.
        found: the model on the pairs.
        first: the untuned model on the same pairs.
        sources: of each pair.
        gold: see `RowSet`.
    """
    gain, means = found.log_probs - first.log_probs, found.log_probs / found.tokens
    delta, free = gain[:, 0] - gain[:, 1], means[:, 0] - means[:, 1]
    measures = {
        "": np.logaddexp(0.0, -BETA * delta),
        ERRORS: 1 - wins(delta),
        MARGIN: -BETA * delta,
        FREE_ERRORS: 1 - wins(free),
    }
    prompts, groups = _grouped(found.prompts)
    counts = np.bincount(groups)
    homes = [sources[int(np.flatnonzero(groups == number)[0])] for number in range(len(prompts))]
    return [
        {
            "name": f"{name}{ending}",
            "rows": prompts,
            "sources": homes,
            "sums": np.bincount(groups, weights=values).tolist(),
            "tokens": counts.tolist(),
            "task": gold,
        }
        for ending, values in measures.items()
    ]


def _grouped(prompts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The prompts in order of appearance, and which of them each pair has."""
    known = list(dict.fromkeys(prompts))
    place = {prompt: number for number, prompt in enumerate(known)}
    return [prompt[:16] for prompt in known], np.array([place[prompt] for prompt in prompts], np.int64)
