"""What a choice among preference pairs did to lengths and labels, which log det cannot see."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import PairExample
from spice_select.diagnosis.opposing import opposes_the_others
from spice_select.features.row_weights import PAIR_WEIGHT
from spice_select.methods import Candidates
from spice_select.methods.base import GRADIENTS
from spice_select.numerics.ranks import spearman

LONGER, SHORTER, EQUAL = "chosen longer", "chosen shorter", "as long"


@dataclass(frozen=True, kw_only=True)
class PairGroup:
    """Some of the pairs.

    Attributes:
        name: the source, or which side is the longer one; of marked answers, the mark.
        pairs, chosen: how many there are, and how many were taken.
        opposing, chosen_opposing: shares of these whose gradient opposes the sum of all other pairs'; None where no
            gradients were taken, or there are none.
    """

    name: str
    pairs: int
    chosen: int
    opposing: float | None
    chosen_opposing: float | None


@dataclass(frozen=True, kw_only=True)
class PairSummary:
    """A choice among pairs in numbers; lengths are supervised tokens.

    Attributes:
        pairs, prompts: usable pairs, and how many prompts they have.
        chosen_prompts: prompts among the picks.
        longer, chosen_longer: share of pairs whose preferred answer is the longer one, of all and of the picks.
        medians, chosen_medians: tokens of the median preferred answer and of the median rejected one.
        rank_with_difference: Spearman of the pick's rank with |y⁺| − |y⁻|; None where nothing varies. Below 0 where
            pairs that prefer the longer answer come first.
        rank_with_length: the same with |y⁺| + |y⁻|.
        prefers_chosen: share of pairs whose preferred answer the proxy finds likelier by the mean token; None without
            gradients.
        by_length, by_source: see `PairGroup`; sources largest first.
        weights: least, median and greatest of what the pairs count, 2σ(−βΔ); None where the proxy was not trained.
    """

    pairs: int
    prompts: int
    chosen_prompts: int
    longer: float
    chosen_longer: float
    medians: tuple[float, float]
    chosen_medians: tuple[float, float]
    rank_with_difference: float | None
    rank_with_length: float | None
    prefers_chosen: float | None
    by_length: Sequence[PairGroup]
    by_source: Sequence[PairGroup]
    weights: tuple[float, float, float] | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "PairSummary":
        groups = {name: [PairGroup(**one) for one in content[name]] for name in ("by_length", "by_source")}
        medians = {name: tuple(content[name]) for name in ("medians", "chosen_medians")}
        weights = tuple(content["weights"]) if content.get("weights") else None
        return cls(**{**content, **groups, **medians, "weights": weights})


def summarise_pairs(candidates: Candidates, picks: NDArray[np.int64]) -> PairSummary | None:
    """The numbers of a choice; None where the rows are no pairs."""
    pairs = [example for example in candidates.examples if isinstance(example, PairExample)]
    if not pairs:
        return None
    lengths = np.array([[side.num_supervised for side in pair.sequences] for pair in pairs], np.int64)
    difference = lengths[:, 0] - lengths[:, 1]
    block = candidates.features.get(GRADIENTS)
    opposing = None if block is None else opposes_the_others(candidates.matrix)
    prompts, rank = np.array([pair.prompt for pair in pairs]), np.arange(len(picks))
    kinds = np.select([difference > 0, difference < 0], [LONGER, SHORTER], EQUAL)
    grouped = _grouping(picks, opposing)
    return PairSummary(
        pairs=len(pairs),
        prompts=len(np.unique(prompts)),
        chosen_prompts=len(np.unique(prompts[picks])),
        longer=float((difference > 0).mean()),
        chosen_longer=float((difference[picks] > 0).mean()),
        medians=_medians(lengths),
        chosen_medians=_medians(lengths[picks]),
        rank_with_difference=_known(spearman(rank, difference[picks])),
        rank_with_length=_known(spearman(rank, lengths[picks].sum(1))),
        prefers_chosen=None if block is None else float((block["margin_mean"] > 0).mean()),
        by_length=grouped(kinds, (LONGER, SHORTER, EQUAL)),
        by_source=grouped(np.array(candidates.sources), None),
        weights=None if block is None or PAIR_WEIGHT not in block.columns else _spread(block[PAIR_WEIGHT]),
    )


GOOD, BAD = "good", "bad"


def summarise_marks(candidates: Candidates, picks: NDArray[np.int64]) -> list[PairGroup]:
    """How many of each mark there are and were taken, and how many oppose all others; empty where none is marked."""
    if not candidates.of_marks:
        return []
    opposing = opposes_the_others(candidates.matrix) if GRADIENTS in candidates.features else None
    marks = np.array([GOOD if example.label else BAD for example in candidates.answers])
    return _grouping(picks, opposing)(marks, (GOOD, BAD))


def _grouping(
    picks: NDArray[np.int64], opposing: NDArray[np.bool_] | None
) -> Callable[[NDArray[Any], Sequence[str] | None], list[PairGroup]]:
    def grouped(labels: NDArray[Any], order: Sequence[str] | None) -> list[PairGroup]:
        names, counts = np.unique(labels, return_counts=True)
        order = order or [str(name) for name in names[np.argsort(-counts, kind="stable")]]
        taken = np.zeros(len(labels), bool)
        taken[picks] = True
        groups = [(name, labels == name) for name in order if name in names]
        return [
            PairGroup(
                name=name,
                pairs=int(inside.sum()),
                chosen=int((inside & taken).sum()),
                opposing=_share(opposing, inside),
                chosen_opposing=_share(opposing, inside & taken),
            )
            for name, inside in groups
        ]

    return grouped


def _share(opposing: NDArray[np.bool_] | None, inside: NDArray[np.bool_]) -> float | None:
    return None if opposing is None or not inside.any() else float(opposing[inside].mean())


def _medians(lengths: NDArray[np.int64]) -> tuple[float, float]:
    chosen, rejected = np.median(lengths, axis=0)
    return float(chosen), float(rejected)


def _spread(values: NDArray[np.float64]) -> tuple[float, float, float]:
    least, median, greatest = np.quantile(values, (0, 0.5, 1))
    return float(least), float(median), float(greatest)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
