"""What a run did, in numbers: computed once, kept as `summary.json`, printed by the command line."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Drop, Sample
from spice_select.diagnosis.common_direction import common_share
from spice_select.diagnosis.explained import Explained
from spice_select.diagnosis.headroom_line import headroom_line
from spice_select.diagnosis.interaction import conflicting_share, interaction
from spice_select.methods import METHODS, Candidates
from spice_select.methods.spice import Spice
from spice_select.run.outcome import Automatic, Judgement, Outcome
from spice_select.run.pair_summary import PairGroup, PairSummary, summarise_marks, summarise_pairs
from spice_select.selection import Selection


@dataclass(frozen=True, kw_only=True)
class Mix:
    """One source before and after.

    Attributes:
        source: name of the group, `""` where the corpus names none.
        rows, tokens: usable rows, and their supervised tokens.
        chosen_rows, chosen_tokens: the same among the chosen.
    """

    source: str
    rows: int
    tokens: int
    chosen_rows: int
    chosen_tokens: int


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What the picks explain of one task of the target.

    Attributes:
        task: its name; ``""`` where the target is one.
        rows: rows of the target that it was measured on.
        held_out: whether these did not choose.
        share: of their gradients, explained by the picks.
        random_mean, random_std, random_draws: the same of random picks of as many rows.
        cosine, random_cosine: of the mean gradient of the picks, and of random ones, with the task's.
    """

    task: str
    rows: int
    held_out: bool
    share: float
    random_mean: float
    random_std: float
    random_draws: int
    cosine: float
    random_cosine: float


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How good a choice is by its gradients, in numbers.

    Attributes:
        information: log det(I + αΣ g gᵀ) of the chosen rows.
        random_mean, random_std, random_max, random_draws: the same for random picks of as many rows.
        certified: information as a share of a proven upper bound on the best possible.
        certified_for: the choices that the bound holds for, in words.
        bound: name of that bound.
        proof_seconds: what the proof took.
        curvature: total curvature of log det over the usable rows; None where it was not computed.
        promised: share of the best possible that curvature promises greedy with λ = 0; None likewise.
        conflicting: share of picks whose gradient opposes the mean of those before; the first of each pool aside.
        interaction: median share of a pick's base that the picks before it take away, |ε|/base; None if too few picks.
        conflict_with_gain, conflict_with_epsilon: Spearman of conflict with Δ and with |ε| over the picks; None where
            none conflicts.
        first_gain, last_gain: marginal gain of the first and the last pick.
        sketch: name of the sketch; `""` where the gradients were kept whole.
        sign_flips: share of cosines between rows whose sign the sketch changes, on a probe of the corpus; 0 without.
        target: what the picks explain of each task of the target; empty without one.
    """

    information: float
    random_mean: float
    random_std: float
    random_max: float
    random_draws: int
    certified: float
    certified_for: str
    bound: str
    proof_seconds: float
    curvature: float | None
    promised: float | None
    conflicting: float
    interaction: float | None
    conflict_with_gain: float | None
    conflict_with_epsilon: float | None
    first_gain: float
    last_gain: float
    sketch: str
    sign_flips: float
    target: Sequence[Reached] = ()

    @property
    def way(self) -> float | None:
        """At least this share of the way from random picks to the best possible, and so to greedy's; None: no way."""
        if not 0 < self.certified <= 1 or self.information <= self.random_mean:
            return None
        return (self.information - self.random_mean) / (self.information / self.certified - self.random_mean)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run in numbers.

    Attributes:
        method: who chose.
        rows: rows in the corpus.
        usable: rows left after drops.
        chosen: rows chosen.
        dropped: reason → count.
        truncated: examples cut to the maximum length.
        tokens, supervised: tokens of the usable rows, and those trained on.
        chosen_tokens, chosen_supervised: the same among the chosen.
        median_response, chosen_median_response: supervised tokens of the median row.
        mix: sources, largest first.
        judged: how good the choice is by its gradients; None where none were taken.
        stopped: why the selection ended, in a sentence.
        notes: what the reader should know before trusting the result.
        seconds: stage → seconds spent in this process.
        headroom: how far a random draw of that size gets by itself, in a line; "" where no gradients were taken.
        automatic: settings that were left to the data, and what they came to.
        pairs: lengths and labels of preference pairs; None where the rows are none.
        marks: answers marked good and bad, by their mark; empty where none is marked.
    """

    method: str
    rows: int
    usable: int
    chosen: int
    dropped: Mapping[str, int]
    truncated: int
    tokens: int
    supervised: int
    chosen_tokens: int
    chosen_supervised: int
    median_response: float
    chosen_median_response: float
    mix: Sequence[Mix]
    judged: Judged | None
    stopped: str
    notes: Sequence[str]
    seconds: Mapping[str, float]
    headroom: str = ""
    automatic: Sequence[Automatic] = ()
    pairs: PairSummary | None = None
    marks: Sequence[PairGroup] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Summary":
        judged = content["judged"]
        mix = [Mix(**one) for one in content["mix"]]
        if judged is not None:
            judged = Judged(**{**judged, "target": [Reached(**one) for one in judged.get("target", [])]})
        automatic = [Automatic(**one) for one in content.get("automatic", [])]
        pairs = content.get("pairs")
        pairs = None if pairs is None else PairSummary.from_json(pairs)
        marks = [PairGroup(**one) for one in content.get("marks", [])]
        return cls(**{**content, "mix": mix, "judged": judged, "automatic": automatic, "pairs": pairs, "marks": marks})


def summarise(
    *,
    method: str,
    rows: int,
    examples: Sequence[Sample],
    drops: Sequence[Drop],
    outcome: Outcome,
    notes: Sequence[str],
    seconds: Mapping[str, float],
    unit: str,
    in_pools: bool,
) -> Summary:
    """Gather the numbers of a run; `unit` is what its budget counts, `in_pools` whether it was spread over pools."""
    candidates, picks = outcome.candidates, outcome.choice.indices
    fidelity, mix = outcome.judged.fidelity if outcome.judged else None, _mix(candidates, picks)
    pairs = summarise_pairs(candidates, picks)
    return Summary(
        method=method,
        rows=rows,
        usable=len(candidates),
        chosen=len(picks),
        dropped=dict(Counter(drop.reason for drop in drops).most_common()),
        truncated=sum(example.truncated > 0 for example in examples),
        tokens=int(candidates.tokens.sum()),
        supervised=int(candidates.supervised.sum()),
        chosen_tokens=int(candidates.tokens[picks].sum()),
        chosen_supervised=int(candidates.supervised[picks].sum()),
        median_response=float(np.median(candidates.supervised)),
        chosen_median_response=float(np.median(candidates.supervised[picks])),
        mix=mix,
        judged=_judged(outcome.choice.worth, outcome.judged, unit),
        stopped=outcome.choice.stop.sentence,
        notes=[
            *notes,
            *outcome.notes,
            *([f"{fidelity.warning}."] if fidelity and fidelity.warning else []),
            *_length_note(method, candidates, picks),
            *_source_note(mix, in_pools=in_pools, aimed=candidates.target is not None),
        ],
        seconds=dict(seconds),
        headroom=_headroom(outcome),
        automatic=outcome.automatic,
        pairs=pairs,
        marks=summarise_marks(candidates, picks),
    )


def _headroom(outcome: Outcome) -> str:
    """See `headroom_line`; nothing is said without gradients, or of a single row."""
    judged, candidates = outcome.judged, outcome.candidates
    if judged is None or np.count_nonzero(candidates.matrix.squares) < 2:
        return ""
    measured = not (candidates.of_pairs or candidates.of_marks)
    common, picks = common_share(candidates.matrix), len(outcome.choice)
    return headroom_line(common, picks, judged.target, held_out=judged.held_out, measured=measured)


def _judged(selection: Selection | None, judged: Judgement | None, unit: str) -> Judged | None:
    if selection is None or judged is None:
        return None
    versus, proof, fidelity, parts = judged.versus, judged.certificate, judged.fidelity, interaction(selection)
    return Judged(
        information=proof.information,
        random_mean=versus.mean,
        random_std=versus.std,
        random_max=float(versus.draws.max()),
        random_draws=len(versus.draws),
        certified=proof.ratio,
        certified_for=_rivals(judged, unit),
        bound=proof.best,
        proof_seconds=proof.seconds,
        curvature=judged.curvature.value if judged.curvature else None,
        promised=judged.curvature.guarantee if judged.curvature else None,
        conflicting=conflicting_share(selection),
        interaction=_known(parts.share),
        conflict_with_gain=_known(parts.conflict_with_gain),
        conflict_with_epsilon=_known(parts.conflict_with_epsilon),
        first_gain=float(selection.gains[0]),
        last_gain=float(selection.gains[-1]),
        sketch=fidelity.sketch if fidelity else "",
        sign_flips=fidelity.sign_flips if fidelity else 0.0,
        target=[_reached(one, judged.held_out) for one in judged.target],
    )


def _reached(one: Explained, held_out: bool) -> Reached:
    return Reached(
        task=one.task,
        rows=one.rows,
        held_out=held_out,
        share=one.share,
        random_mean=one.mean,
        random_std=one.std,
        random_draws=len(one.draws),
        cosine=one.cosine,
        random_cosine=float(one.cosine_draws.mean()),
    )


def _rivals(judged: Judgement, unit: str) -> str:
    if judged.certificate.max_cost is not None:
        tokens = f"{judged.certificate.max_cost:,.0f} {unit}"
        return f"{tokens}, as many of every pool" if judged.by_pool else tokens
    return "as many rows of every pool" if judged.by_pool else "this many rows"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _mix(candidates: Candidates, chosen: NDArray[np.int64]) -> list[Mix]:
    counted = Counter(candidates.sources).most_common()
    numbers = {source: number for number, (source, _) in enumerate(counted)}
    labels = np.fromiter((numbers[source] for source in candidates.sources), np.int64, len(candidates))
    picked, lengths = labels[chosen], candidates.supervised
    tokens = np.bincount(labels, lengths, len(counted)).astype(np.int64)
    chosen_rows = np.bincount(picked, minlength=len(counted))
    chosen_tokens = np.bincount(picked, lengths[chosen], len(counted)).astype(np.int64)
    return [
        Mix(
            source=source,
            rows=count,
            tokens=int(tokens[number]),
            chosen_rows=int(chosen_rows[number]),
            chosen_tokens=int(chosen_tokens[number]),
        )
        for number, (source, count) in enumerate(counted)
    ]


def largest_sources(mix: Sequence[Mix]) -> list[Mix]:
    """The largest sources, and all the others as one: 20 entries at most."""
    if len(mix) <= _LISTED_SOURCES:
        return list(mix)
    rest = mix[_LISTED_SOURCES - 1 :]
    others = Mix(
        source=f"({len(rest):,} others)",
        rows=sum(one.rows for one in rest),
        tokens=sum(one.tokens for one in rest),
        chosen_rows=sum(one.chosen_rows for one in rest),
        chosen_tokens=sum(one.chosen_tokens for one in rest),
    )
    return [*mix[: _LISTED_SOURCES - 1], others]


_LISTED_SOURCES = 20
_SWALLOWS = 0.5  # of the chosen tokens: from here on one source speaks louder than all others together


def _source_note(mix: Sequence[Mix], *, in_pools: bool, aimed: bool) -> list[str]:
    """One source that has most of the chosen tokens, and more than twice its share of the pool's."""
    whole, chosen = sum(one.tokens for one in mix), sum(one.chosen_tokens for one in mix)
    for one in mix:
        before, after = one.tokens / max(1, whole), one.chosen_tokens / max(1, chosen)
        if len(mix) > 1 and after > max(_SWALLOWS, 2 * before):
            flag = "a choice from the whole pool can bound" if in_pools else f"`--per-source-max {_SWALLOWS:g}` bounds"
            told = f"Look at its picks; {flag} its rows."
            if aimed:
                told = "So it should be where the target's rows are of its kind; look at its picks where they are not."
            return [
                f"One source, {one.source or '(none)'}, has {after:.0%} of the chosen tokens that are trained on, and "
                f"{before:.0%} of the pool's. {told}"
            ]
    return []


def _length_note(method: str, candidates: Candidates, chosen: NDArray[np.int64]) -> list[str]:
    everywhere, here = np.median(candidates.supervised), np.median(candidates.supervised[chosen])
    if everywhere / 2 <= here <= everywhere * 2:
        return []
    word = "shorter" if here < everywhere else "longer"
    found = (
        f"The chosen responses are much {word} than the corpus' (median {here:.0f} against {everywhere:.0f} supervised "
        "tokens)"
    )
    if issubclass(METHODS[method], Spice) and candidates.normalise == "none":
        return [
            f"{found}: log det favours large gradients, and their size depends on length. Compare with `--normalise "
            "unit`, which leaves length out, before training on this."
        ]
    return [f"{found}. Look at the picks, and at the budget in tokens, before training on this."]
