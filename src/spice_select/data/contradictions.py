"""Pairs and marked answers that say again what an earlier row says, or the opposite: found by hash, in one pass."""

import hashlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

from spice_select.data.encoding import Encoded
from spice_select.data.records import Drop, Example, PairExample, Sample


def without_contradictions(encoded: Encoded[Sample], *, keep: bool) -> Encoded[Sample]:
    """A corpus without the rows that contradict an earlier one, unless they are to be kept; either way it is said.

    Answers that are there to be learnt contradict nothing here.
    """
    told = [example for example in encoded.examples if _takes_sides(example)]
    if not told:
        return encoded
    retold, words = Retold.among(told), _PAIRS if isinstance(told[0], PairExample) else _MARKS
    drops = [] if keep else _drops(retold, words)
    gone = {drop.row for drop in drops}
    return replace(
        encoded,
        examples=[example for example in encoded.examples if example.row not in gone] if gone else encoded.examples,
        drops=sorted([*encoded.drops, *drops], key=lambda drop: drop.row),
        notes=(*encoded.notes, *_sentences(retold, words, dropped=not keep)),
    )


def _takes_sides(sample: Sample) -> bool:
    return isinstance(sample, PairExample) or sample.label is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Words:
    """How contradictions of one kind of rows are told.

    Attributes:
        reason: of the rows that are left out for it.
        detail: what the earlier row says, after its number.
        contradict, repeat: what rows do to an earlier one.
    """

    reason: str
    detail: str
    contradict: str
    repeat: str


_PAIRS = _Words(
    reason="contradicting-pairs",
    detail="prefers the answer that this one rejects, and the reverse",
    contradict="Pairs that prefer what an earlier pair of their prompt rejects",
    repeat="Pairs that repeat an earlier one",
)
_MARKS = _Words(
    reason="contradicting-marks",
    detail="marks the same answer to the same prompt the other way",
    contradict="Answers that an earlier row of their prompt marks the other way",
    repeat="Answers that repeat an earlier one and its mark",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retold:
    """What rows that take sides say of each other.

    Attributes:
        repeats: row → the first row that says the same.
        contradictions: row → the first row that says the opposite: it prefers what this one rejects, and rejects what
            it prefers; or it marks the same answer the other way.
    """

    repeats: dict[int, int]
    contradictions: dict[int, int]

    @classmethod
    def among(cls, samples: Iterable[Sample]) -> "Retold":
        """Look at pairs or marked answers in their order: of those that speak of the same, the first is right.

        Cost: a look-up a row; a marked answer's tokens are read once.
        """
        first: dict[Hashable, tuple[int, bool]] = {}
        repeats: dict[int, int] = {}
        contradictions: dict[int, int] = {}
        for sample in samples:
            subject, side = _claim(sample)
            earlier, said = first.setdefault(subject, (sample.row, side))
            if earlier != sample.row:
                (repeats if said == side else contradictions)[sample.row] = earlier
        return cls(repeats=repeats, contradictions=contradictions)


def _drops(retold: Retold, words: _Words) -> list[Drop]:
    """The contradictions as rows to leave out: the first of those that contradict each other stays."""
    return [Drop(row, words.reason, f"row {first} {words.detail}") for row, first in retold.contradictions.items()]


def _sentences(retold: Retold, words: _Words, *, dropped: bool) -> list[str]:
    """What a person should know of it: nothing where no row tells of another."""
    told = []
    if retold.contradictions:
        row, against = next(iter(retold.contradictions.items()))
        kept = "left out, the first of each is kept" if dropped else "kept, as --keep-contradictions asks"
        told.append(
            f"{words.contradict}: {len(retold.contradictions):,} ({kept}; row {row} contradicts row {against})."
        )
    if retold.repeats:
        row, earlier = next(iter(retold.repeats.items()))
        told.append(f"{words.repeat}: {len(retold.repeats):,} (row {row} repeats row {earlier}); none is left out.")
    return told


def _claim(sample: Sample) -> tuple[Hashable, bool]:
    """What a row speaks of, and which of two sides it takes."""
    if isinstance(sample, PairExample):
        one, other = sorted(sample.answers)
        return (sample.prompt, one, other), sample.answers == (one, other)
    return _seen(sample), bool(sample.label)


def _seen(example: Example) -> bytes:
    """SHA-256 of prompt and answer as the model sees them: what is cut off tells nothing apart."""
    return hashlib.sha256(example.input_ids.tobytes() + example.supervised.tobytes()).digest()
