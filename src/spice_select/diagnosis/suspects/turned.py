"""Preference pairs that prefer what another pair of their prompt rejects: at most one of them can be right."""

from collections import defaultdict
from collections.abc import Hashable, Iterator

from spice_select.data.duplicates import canonical_text
from spice_select.data.texts import answer_texts, prompt_text
from spice_select.diagnosis.suspects.base import Evidence, Found, Suspect
from spice_select.diagnosis.suspects.near import near_repeats, turned
from spice_select.progress import Advance


class TurnedPairs:
    """Pairs of one prompt whose answers changed places, word for word but for case and space, or nearly.

    Both are suspects, for nobody knows which is wrong. A choice drops those that are the same to the letter.
    """

    name = "contradiction"
    summary = "pairs of one prompt that prefer, word for word or nearly, what the other rejects"
    needs = ()

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: the number of pairs that it contradicts. Cost: as `duplicate_groups`."""
        near = {(one, other) for one, other, _ in near_repeats(evidence, advance) if turned(evidence, one, other)}
        partners: dict[int, list[int]] = defaultdict(list)
        for one, other in sorted(near.union(_word_for_word(evidence))):
            partners[one].append(evidence.examples[other].row)
            partners[other].append(evidence.examples[one].row)
        return Found(suspects=[self._suspect(evidence, place, partners[place]) for place in sorted(partners)])

    def _suspect(self, evidence: Evidence, place: int, rows: list[int]) -> Suspect:
        reason = f"prefers what row {rows[0]} rejects, and rejects what that prefers"
        more = f" ({len(rows) - 1:,} more do so)" if len(rows) > 1 else ""
        return Suspect(
            row=evidence.examples[place].row,
            kind=self.name,
            score=float(len(rows)),
            reason=f"{reason}{more}",
            partners=tuple(rows),
        )


def _word_for_word(evidence: Evidence) -> Iterator[tuple[int, int]]:
    """Places of the first pair that prefers one of two answers to a prompt, and of each that prefers the other."""
    first: dict[Hashable, int] = {}
    for place, pair in enumerate(evidence.pairs):
        asked, answers = canonical_text(prompt_text(pair)), tuple(map(canonical_text, answer_texts(pair)))
        first.setdefault((asked, answers), place)
        if (other := first.get((asked, answers[::-1]))) is not None and other != place:
            yield other, place
