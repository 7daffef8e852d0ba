"""Rows with the same question and clearly different answers: at most one of them can be right, if any question can."""

import itertools
import re
from collections import defaultdict
from collections.abc import Hashable

from spice_select.data.duplicates import canonical_text
from spice_select.data.texts import before_last_answer, last_answer
from spice_select.diagnosis.suspects.base import Evidence, Found, Suspect
from spice_select.progress import Advance

MOST_ANSWERS = 4
"""A question with more different answers than this asks for variety (`Tell me a joke`), not for a fact."""
FEWEST_WORDS = 3
"""A question of fewer words (`Continue`) asks for what a row does not show."""
_FILLERS = frozenset(
    ("please", "kindly", "hi", "hello", "hey", "can you", "could you", "would you", "tell me", "i want to know")
)
_FILLER = re.compile(rf"\b(?:{'|'.join(sorted(_FILLERS, key=len, reverse=True))})\b")
_PUNCTUATION = re.compile(r"""[.,;:!?"'`‘’“”…]+(?=\s|$)|(?<=\s)["'`‘’“”]+|^["'`‘’“”]+""")
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r",(?=\d{3}(?:\D|$))")
_VERDICT = re.compile(r"\W*(?:(yes|true|positive)|no|false|negative)\b")


class Contradictions:
    """Pairs of rows that ask the same, punctuation and courtesies aside, and whose answers `differ`.

    Both rows of a pair are suspects, for nobody knows which is wrong. Only pairs within one question are compared, and
    a question with more than `MOST_ANSWERS` different answers, or fewer than `FEWEST_WORDS`, is passed over.
    """

    name = "contradiction"
    summary = "pairs of rows that ask the same and are answered quite differently"
    needs = ()

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: the number of rows that it contradicts. Cost: one pass, and a comparison a pair of one question."""
        asked: dict[Hashable, list[int]] = defaultdict(list)
        answers = [last_answer(conversation) for conversation in evidence.conversations]
        for place, conversation in enumerate(evidence.conversations):
            key = tuple((role, _question(words)) for role, words in before_last_answer(conversation))
            if sum(len(_WORD.findall(words)) for role, words in key if role == "user") >= FEWEST_WORDS:
                asked[key].append(place)
            advance(1)
        partners: dict[int, list[int]] = defaultdict(list)
        for places in asked.values():
            different = {canonical_text(answers[place]) for place in places}
            if not 2 <= len(different) <= MOST_ANSWERS:
                continue
            for one, other in itertools.combinations(places, 2):
                if differ(answers[one], answers[other]):
                    partners[one].append(other)
                    partners[other].append(one)
        suspects = [self._suspect(evidence, place, partners[place]) for place in sorted(partners)]
        return Found(suspects=suspects)

    def _suspect(self, evidence: Evidence, place: int, others: list[int]) -> Suspect:
        rows = tuple(evidence.examples[other].row for other in others)
        named = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
        reason = f"the same question as row{'s' if len(rows) > 1 else ''} {named}, and a different answer"
        return Suspect(
            row=evidence.examples[place].row, kind=self.name, score=float(len(rows)), reason=reason, partners=rows
        )


def differ(left: str, right: str) -> bool:
    """Whether two answers to one question clearly differ.

    They do where one begins with yes (true, positive) and the other with no; where both hold numbers and share none;
    or where fewer than half of the shorter one's words stand in the longer. An answer that merely says more does not.
    """
    left, right = canonical_text(left), canonical_text(right)
    verdicts = [match.group(1) is not None for text in (left, right) if (match := _VERDICT.match(text))]
    if len(verdicts) == 2 and verdicts[0] != verdicts[1]:
        return True
    numbers = [_numbers(text) for text in (left, right)]
    if all(numbers) and not numbers[0] & numbers[1]:
        return True
    words = [set(_WORD.findall(text)) for text in (left, right)]
    shorter = min(len(words[0]), len(words[1]))
    return shorter > 0 and 2 * len(words[0] & words[1]) < shorter


def _numbers(text: str) -> set[str]:
    """The numbers in a text, however they are written: 1,000 is 1000, and 3.0 is 3."""
    found = (_THOUSANDS.sub("", number) for number in _NUMBER.findall(text))
    return {number.rstrip("0").rstrip(".") if number.count(".") == 1 else number for number in found}


def _question(words: str) -> str:
    """What is asked, without punctuation at the edges of words and without courtesies; signs within stay."""
    bare = _PUNCTUATION.sub(" ", canonical_text(words))
    return " ".join(_FILLER.sub(" ", bare).split())
