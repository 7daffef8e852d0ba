"""A marked answer as messages: what it follows, the one turn that it is, and its mark."""

from collections.abc import Sequence
from dataclasses import dataclass

from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation
from spice_select.export.picks import Pick
from spice_select.export.records import Record, answers, messages_of
from spice_select.export.trainee import Trainee


@dataclass(frozen=True, kw_only=True)
class MarkedParts:
    """A marked answer.

    Attributes:
        prompt: the turns before it, at least one.
        answer: the turn that is marked.
        label: whether it is one to give.
    """

    prompt: list[Record]
    answer: Record
    label: bool


def are_marked(picks: Sequence[Pick]) -> bool:
    """Whether the rows are marked answers: all of a run's are, or none."""
    return any(isinstance(pick.reading, Conversation) and pick.reading.label is not None for pick in picks)


def parts_of(conversation: Conversation, trainee: Trainee | None) -> MarkedParts:
    """The parts of a row, shown to the template of the model where that is known.

    Raises:
        RowError: the answer is more than one turn, of which trainers cut some or train on results of tools; as
            `messages_of`.
    """
    trained, _ = answers(conversation)
    if trained != [len(conversation.messages) - 1]:
        detail = f"the answer has {len(trained)} turns of the assistant's; trainers of KTO take one"
        raise RowError("several-answer-turns", detail)
    messages = messages_of(conversation)
    if trainee is not None:
        messages = trainee.shown(messages)
    return MarkedParts(prompt=messages[:-1], answer=messages[-1], label=bool(conversation.label))
