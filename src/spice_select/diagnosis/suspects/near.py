"""Rows that say nearly what an earlier row says."""

from collections.abc import Iterator

from spice_select.data.duplicates import canonical_text, duplicate_groups, jaccard
from spice_select.data.texts import answer_texts, whole_text
from spice_select.diagnosis.suspects.base import Evidence, Found, Suspect
from spice_select.progress import Advance

ALIKE = 0.8
"""Least Jaccard similarity of shingles for one row to repeat another."""


class NearDuplicates:
    """Rows at least `ALIKE` to the first of their group, by their words without the system's; see `duplicate_groups`.

    Rows whose words are the same are the other kind's. Pairs whose answers changed places do not repeat each other.
    """

    name = "near-duplicate"
    summary = f"rows that share {ALIKE:.0%} of their runs of three words with an earlier row, which is kept"
    needs = ()

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: the Jaccard similarity with the row kept. Cost: as `duplicate_groups`."""
        suspects = []
        for first, other, value in near_repeats(evidence, advance):
            if evidence.pairs and turned(evidence, first, other):
                continue
            row, kept = evidence.examples[other].row, evidence.examples[first].row
            reason = f"{value:.0%} of its runs of three words are shared with row {kept}"
            suspects.append(Suspect(row=row, kind=self.name, score=value, reason=reason, partners=(kept,)))
        return Found(suspects=sorted(suspects, key=lambda suspect: suspect.row))


def near_repeats(evidence: Evidence, advance: Advance) -> Iterator[tuple[int, int, float]]:
    """Places of the first row of each group and of one that is alike to it, and how much; see `duplicate_groups`."""
    texts = [whole_text(conversation) for conversation in evidence.conversations]
    once = list({canonical_text(text): place for place, text in reversed(list(enumerate(texts)))}.values())[::-1]
    once.sort()
    advance(len(texts) - len(once))
    for first, *others in duplicate_groups([texts[place] for place in once], ALIKE, advance):
        for other in others:
            yield once[first], once[other], jaccard(texts[once[first]], texts[once[other]])


def turned(evidence: Evidence, one: int, other: int) -> bool:
    """Whether the answers of two pairs, given by their places, are more alike once those of one change places."""
    (chosen, rejected), (preferred, left) = (answer_texts(evidence.pairs[place]) for place in (one, other))
    straight = jaccard(chosen, preferred) + jaccard(rejected, left)
    return jaccard(chosen, left) + jaccard(rejected, preferred) > straight
