"""Preference pairs whose two answers say nearly the same: what such a pair prefers is a word, a space or nothing."""

from spice_select.data.duplicates import canonical_text, jaccard
from spice_select.data.texts import answer_texts
from spice_select.diagnosis.suspects.base import Evidence, Found, Suspect
from spice_select.diagnosis.suspects.near import ALIKE
from spice_select.progress import Advance


class AlikeAnswers:
    """Pairs whose answers are the same but for case, width and space, or at least `ALIKE` to each other.

    Their gradient is short, and a choice by unit vectors makes up for that. Some are sound: where one step of a
    solution is wrong, all else is alike.
    """

    name = "alike-answers"
    summary = f"pairs whose answers share {ALIKE:.0%} of their runs of three words, or differ in case and space alone"
    needs = ()

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: the Jaccard similarity of the answers; 1 where they are the same. Cost: linear in the texts."""
        suspects = []
        for example, pair in zip(evidence.examples, evidence.pairs, strict=True):
            chosen, rejected = answer_texts(pair)
            same = canonical_text(chosen) == canonical_text(rejected)
            value = 1.0 if same else jaccard(chosen, rejected)
            if value >= ALIKE:
                reason = "its answers differ in case, width or space alone"
                reason = reason if same else f"{value:.0%} of the runs of three words of its answers are shared"
                suspects.append(Suspect(row=example.row, kind=self.name, score=value, reason=reason))
            advance(1)
        return Found(suspects=suspects)
