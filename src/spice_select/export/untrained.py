"""Answers that a row takes out of the loss, under trainers without a mark for turns: all answers, or the last alone."""

from collections.abc import Sequence

from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation
from spice_select.export.picks import Pick
from spice_select.export.records import answers


def last_answer_only(picks: Sequence[Pick]) -> bool:
    """Whether training on each row's last turn alone leaves fewer rows out than training on every answer does."""
    said = [pick.reading for pick in picks if isinstance(pick.reading, Conversation)]
    marked = sum(bool(answers(one)[1]) for one in said)
    return marked > sum(not trains_on_its_end(one) for one in said)


def trains_on_its_end(conversation: Conversation) -> bool:
    """Whether the only answer that a conversation trains on is its last turn, and something comes before it."""
    trained, _ = answers(conversation)
    return len(conversation.messages) > 1 and trained == [len(conversation.messages) - 1]


def refuse_other_answers(conversation: Conversation, *, last_only: bool, trainer: str) -> None:
    """Raise a `RowError` where the rule for all rows trains on another answer than the row says, or on fewer."""
    trained, untrained = answers(conversation)
    if last_only and not trains_on_its_end(conversation):
        detail = f"{len(trained)} answers are trained on; this export's rows train on their last turn alone"
        raise RowError("several-answers", detail)
    if not last_only and untrained:
        turns = ", ".join(str(place + 1) for place in untrained)
        detail = f"turn {turns} is not trained on (the row says so, or no question stands before it)"
        raise RowError("untrained-turns", f"{detail}; {trainer} has no mark for that")
