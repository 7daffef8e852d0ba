"""Boilerplate refusals: answers that begin by saying what a model cannot do. English only."""

import re

from spice_select.data.texts import last_answer
from spice_select.diagnosis.suspects.base import Evidence, Found, Suspect
from spice_select.progress import Advance

_PERSON = (
    r"(?:manager|professor|director|coach|editor|teacher|principal|producer|curator|conductor|attorney|engineer|"
    r"researcher|scientist|developer|designer|student|expert|specialist|consultant|enthusiast|company|startup)"
)
"""What follows where somebody is no model: an assistant manager, an AI researcher."""
_MODEL = (
    r"(?:an? )?(?:\w+ ){0,2}(?:ai|artificial intelligence|language model|assistant|chatbot)\b"
    rf"(?!(?: \w+)? {_PERSON}\b)"
)
_SORRY = r"(?:i(?:['’]m| am) (?:(?:very|so|really|truly) )?sorry|i apologi[sz]e|my apologies|sorry|unfortunately)"
_CANNOT = (
    r"i(?:['’]m| am)? (?:cannot|can ?not|can['’]t|(?:do not|don['’]t) have (?:the (?:ability|capability)|access)|"
    r"(?:do not|don['’]t) have (?:personal|any personal)|(?:not able|unable) to|won['’]t be able to)"
)
_PATTERNS = (
    re.compile(rf"(?:{_SORRY}\W+(?:but |for \w+ \w+ ?\w*\W+)?)?as {_MODEL}", re.IGNORECASE),
    re.compile(rf"(?:{_SORRY}\W+)?(?:but )?i(?:['’]m| am) (?:just |only )?{_MODEL}", re.IGNORECASE),
    re.compile(
        rf"{_SORRY}\W+(?:but )?{_CANNOT}"
        r"\W+(?:to )?(?:\w+ )?(?:assist|help|fulfil|fulfill|comply|answer|provide|generate|create|do|complete|continue|"
        r"engage|support|discuss|browse|access|process)\b",
        re.IGNORECASE,
    ),
    re.compile(rf"{_CANNOT}\W+(?:assist|help|comply|fulfil|fulfill)(?: you)? with (?:that|this|your)\b", re.IGNORECASE),
)
_REFUSES = re.compile(
    rf"{_CANNOT}|not (?:possible|appropriate|capable)|\b(?:do not|don['’]t) (?:have|possess|experience)|unable|"
    r"not have (?:access|personal|the)",
    re.IGNORECASE,
)
_HEAD = 240
"""Characters of an answer that are looked at: a refusal comes first."""


class Refusals:
    """Answers that begin with one of a few set phrases, and say within their head that something is not done."""

    name = "refusal"
    summary = "answers that begin with a boilerplate refusal (`As an AI language model, I cannot …`); English only"
    needs = ()

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """Score: 1. Cost: the head of each last answer."""
        suspects, answer = [], "the chosen answer" if evidence.pairs else "the answer"
        for example, conversation in zip(evidence.examples, evidence.conversations, strict=True):
            if refused := refusal(last_answer(conversation)):
                reason = f"{answer} begins with a refusal: {' '.join(refused.split())!r}"
                suspects.append(Suspect(row=example.row, kind=self.name, score=1.0, reason=reason))
            advance(1)
        return Found(suspects=suspects)


def refusal(answer: str) -> str:
    """The words with which an answer refuses; "" if it does not begin so."""
    head = answer.strip().strip("\"'“”*_ ")[:_HEAD]
    for pattern in _PATTERNS:
        begins = pattern.match(head)
        if begins and _REFUSES.search(head):
            return begins.group()
    return ""
