"""Rows that say word for word what an earlier row says."""

from spice_select.data.duplicates import canonical_text
from spice_select.data.texts import turn_texts
from spice_select.diagnosis.suspects.base import Evidence, Found, Suspect
from spice_select.progress import Advance


class Duplicates:
    """Same roles, same words but for case, width and space. The first of them is no suspect."""

    name = "duplicate"
    summary = "rows that repeat an earlier row word for word, but for case and space"
    needs = ()

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: 1. Cost: one pass."""
        first, suspects = dict[tuple[tuple[str, str], ...], int](), list[Suspect]()
        for example, conversation in zip(evidence.examples, evidence.conversations, strict=True):
            key = tuple((role, canonical_text(words)) for role, words in turn_texts(conversation))
            if (earlier := first.setdefault(key, example.row)) != example.row:
                reason = f"the same words as row {earlier}"
                suspects.append(Suspect(row=example.row, kind=self.name, score=1.0, reason=reason, partners=(earlier,)))
            advance(1)
        return Found(suspects=suspects)
