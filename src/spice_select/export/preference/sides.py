"""The three parts of a pair as messages: what both answers follow, and the turn that each of them is."""

from dataclasses import dataclass

from spice_select.data.formats.base import RowError
from spice_select.data.records import Pair
from spice_select.export.records import Record, messages_of
from spice_select.export.trainee import Trainee


@dataclass(frozen=True, kw_only=True)
class Sides:
    """A pair as messages.

    Attributes:
        prompt: the turns before the answers, at least one.
        chosen, rejected: the answers, one turn each.
    """

    prompt: list[Record]
    chosen: Record
    rejected: Record


def sides_of(pair: Pair, trainee: Trainee | None) -> Sides:
    """The parts of a pair, shown to the template of the model where that is known.

    Raises:
        RowError: an answer is more than one turn, which trainers cut or train on whole, results of tools too; the
            template wants other turns before the one answer than before the other; as `messages_of`.
    """
    if len(pair.chosen) > 1 or len(pair.rejected) > 1:
        detail = f"the answers have {len(pair.chosen)} and {len(pair.rejected)} turns; trainers of pairs take one each"
        raise RowError("several-answer-turns", detail)
    whole = [messages_of(conversation) for conversation in pair.conversations]
    chosen, rejected = whole if trainee is None else map(trainee.shown, whole)
    if chosen[:-1] != rejected[:-1]:
        raise RowError("prompt-differs", "the model's template wants other turns before the chosen answer")
    return Sides(prompt=chosen[:-1], chosen=chosen[-1], rejected=rejected[-1])
