"""Pairs that say again what an earlier pair of their prompt says, or the opposite: found by hash, in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spice_select.data.encoding import Encoded
from spice_select.data.records import Drop, PairExample, Sample


def without_contradictions(encoded: Encoded[Sample], *, keep: bool) -> Encoded[Sample]:
    """A corpus without the pairs that contradict an earlier one, unless they are to be kept; either way it is said."""
    retold = Retold.among([example for example in encoded.examples if isinstance(example, PairExample)])
    drops = [] if keep else retold.drops()
    gone = {drop.row for drop in drops}
    return replace(
        encoded,
        examples=[example for example in encoded.examples if example.row not in gone] if gone else encoded.examples,
        drops=sorted([*encoded.drops, *drops], key=lambda drop: drop.row),
        notes=(*encoded.notes, *retold.sentences(dropped=not keep)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Retold:
    """What pairs say of each other.

    Attributes:
        repeats: row → the earlier row that says the same.
        contradictions: row → the first row that prefers what this one rejects, and rejects what it prefers.
    """

    repeats: dict[int, int]
    contradictions: dict[int, int]

    @classmethod
    def among(cls, pairs: Sequence[PairExample]) -> "Retold":
        """Look at pairs in their order. Cost: two look-ups a pair."""
        first: dict[tuple[str, str, str], int] = {}
        repeats: dict[int, int] = {}
        contradictions: dict[int, int] = {}
        for pair in pairs:
            row, prompt, (chosen, rejected) = pair.row, pair.prompt, pair.answers
            said, opposite = (prompt, chosen, rejected), (prompt, rejected, chosen)
            if opposite in first and (said not in first or first[opposite] < first[said]):
                contradictions[row] = first[opposite]
            elif said in first:
                repeats[row] = first[said]
            first.setdefault(said, row)
        return cls(repeats=repeats, contradictions=contradictions)

    def drops(self) -> list[Drop]:
        """The contradictions as rows to leave out: the first of those that contradict each other stays."""
        return [
            Drop(row, "contradicting-pairs", f"row {first} prefers the answer that this one rejects, and the reverse")
            for row, first in self.contradictions.items()
        ]

    def sentences(self, *, dropped: bool) -> list[str]:
        """What a person should know of it: nothing where no pair tells of another."""
        told = []
        if self.contradictions:
            first, against = next(iter(self.contradictions.items()))
            kept = "left out, the first of each is kept" if dropped else "kept, as --keep-contradictions asks"
            told.append(
                f"Pairs that prefer what an earlier pair of their prompt rejects: {len(self.contradictions):,} "
                f"({kept}; row {first} contradicts row {against})."
            )
        if self.repeats:
            first, earlier = next(iter(self.repeats.items()))
            told.append(
                f"Pairs that repeat an earlier one: {len(self.repeats):,} (row {first} repeats row {earlier}); none is "
                "left out."
            )
        return told
