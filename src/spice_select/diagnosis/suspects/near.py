"""Rows that say nearly what an earlier row says."""

from spice_select.data.duplicates import canonical_text, duplicate_groups, jaccard
from spice_select.data.texts import whole_text
from spice_select.diagnosis.suspects.base import Evidence, Found, Suspect
from spice_select.progress import Advance

ALIKE = 0.8
"""Least Jaccard similarity of shingles for one row to repeat another."""


class NearDuplicates:
    """Rows at least `ALIKE` to the first of their group, by their words without the system's; see `duplicate_groups`.

    Rows whose words are the same are the other kind's.
    """

    name = "near-duplicate"
    summary = f"rows that share {ALIKE:.0%} of their runs of three words with an earlier row, which is kept"
    needs = ()

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: the Jaccard similarity with the row kept. Cost: as `duplicate_groups`."""
        texts = [whole_text(conversation) for conversation in evidence.conversations]
        once = list({canonical_text(text): place for place, text in reversed(list(enumerate(texts)))}.values())[::-1]
        once.sort()
        advance(len(texts) - len(once))
        suspects = []
        for first, *others in duplicate_groups([texts[place] for place in once], ALIKE, advance):
            kept = evidence.examples[once[first]].row
            for other in others:
                value = jaccard(texts[once[first]], texts[once[other]])
                reason = f"{value:.0%} of its runs of three words are shared with row {kept}"
                row = evidence.examples[once[other]].row
                suspects.append(Suspect(row=row, kind=self.name, score=value, reason=reason, partners=(kept,)))
        return Found(suspects=sorted(suspects, key=lambda suspect: suspect.row))
