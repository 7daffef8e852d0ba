"""Which answers a row takes out of the loss, in the spellings of the trainers that know such a thing."""

from collections.abc import Mapping, Sequence
from typing import Any

from spice_select.data.formats.base import RowError, number_in
from spice_select.data.formats.fields import Fields, says_nothing
from spice_select.data.formats.switches import yes_or_no
from spice_select.data.json_texts import parsed_text

_TRAINED = (
    "weight",
    "train",
    "training",
    "trainable",
    "loss",
    "loss_weight",
    "loss_scale",
    "loss_mask",
    "train_on_turn",
)
"""Fields that are true or 1 where a turn is learnt (OpenAI, axolotl, ms-swift, LLaMA-Factory, others)."""

_MASKED = ("mask", "masked", "ignore_loss")
"""Fields that are true or 1 where a turn is left out (torchtune)."""

_LISTS = ("weights", "loss_masks")
"""More of the first that are read of rows alone, which have one mark for each turn there."""

_DEMANDED = ("weight", "weights", "loss_mask", "loss_masks")
"""Those of a row that mean nothing else, and are honoured or refused."""

_TURN_TRAINED = ("step_loss_mask", "calculate_loss", "compute_loss", "enable_loss", "use_loss")
_TURN_MASKED = ("is_masked", "no_loss")
"""More of both (slime, others) that are read of turns alone: a row's ``is_masked`` tells of an anonymised text."""

_PARTLY = ("train_detail", "training_detail")
"""Fields that take parts of a turn out of the loss (axolotl): not supported."""

LOSS_FIELDS = frozenset((*_TRAINED, *_LISTS, *_MASKED, *_TURN_TRAINED, *_TURN_MASKED, *_PARTLY))
"""Every field that may take something out of the loss."""

_OTHERS_ARE_MASKED = ("user", "human")
_ASSISTANT_IS_MASKED = ("assistant", "gpt", "model")


def answer_is_trained(turn: Fields, number: int) -> bool:
    """Whether an assistant's turn is to be learnt; a `RowError` for what is neither yes nor no."""
    where = f"turn {number}"
    for field in _PARTLY:
        if field in turn and not says_nothing(turn[field]):
            detail = f"{where} has {field!r}, which takes parts of it out of the loss; only whole turns can be"
            raise RowError("unsupported-weight", detail)
    said = {field: _required(turn, field, where) for field in (*_TRAINED, *_TURN_TRAINED) if field in turn}
    said |= {field: not _required(turn, field, where) for field in (*_MASKED, *_TURN_MASKED) if field in turn}
    if len(set(said.values())) > 1:
        raise RowError("unsupported-weight", f"{where} is in the loss by one of {', '.join(said)} and out by another")
    return all(said.values())


def pass_over_weight(turn: Fields) -> None:
    """Read the weight of a turn that is no answer: to leave it out is what happens anyway."""
    for fields, passed_over in (((*_TRAINED, *_TURN_TRAINED), False), ((*_MASKED, *_TURN_MASKED), True)):
        for field in fields:
            if yes_or_no(turn.peek(field)) is passed_over:
                turn[field]


def answers_taken_out(row: Fields, answers: Sequence[int], turns: int) -> frozenset[int]:
    """Which answers a row's own fields take out of the loss: all by a yes or no, or some by a list of such.

    A list has one mark for each turn, or one for each answer. A row's ``weight``, ``weights`` and ``loss_mask`` have to
    be either, where they are no words. The other names count where they are, since in a row they may mean anything (a
    loss that was measured, the name of a split); else they are left unread, and so are named.

    Args:
        row: the row's fields.
        answers: the places of the answers among the turns.
        turns: how many turns there are.

    Raises:
        RowError: a weight that is neither; the assistant's side masked for the other one's.
    """
    out: set[int] = set()
    for field in (*_TRAINED, *_LISTS, *_MASKED):
        value = _parsed(row.peek(field))
        if says_nothing(value):
            continue
        marks = _marks(value, answers, turns)
        if marks is not None:
            row[field]
            out |= {place for place, mark in zip(answers, marks, strict=True) if mark == (field in _MASKED)}
        elif field in _DEMANDED and (number_in(value) is not None or isinstance(value, list | tuple | Mapping)):
            raise RowError(
                "unsupported-weight",
                f"the row has {field}={str(value)[:40]}; only 0 and 1 (false and true) can be honoured, or a list of "
                f"them, one for each of its {turns} turns or for each answer ({len(answers)})",
            )
    if isinstance(mask := row.peek("mask"), str):  # NeMo names the side that is left out
        if mask.strip().lower() in _OTHERS_ARE_MASKED:
            row["mask"]
        elif mask.strip().lower() in _ASSISTANT_IS_MASKED:
            raise RowError("unsupported-weight", f"the row masks {mask!r}: its questions are to be learnt, not answers")
    return frozenset(out)


def _parsed(value: Any) -> Any:
    """A field's value, of text that is the JSON of a list that list."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return parsed_text(value)
    except ValueError:
        return value


def _marks(value: Any, answers: Sequence[int], turns: int) -> list[bool] | None:
    """What a field of a row says of each answer; None where it is neither a yes or no nor a list of such that fits."""
    if isinstance(value, list | tuple) and len(value) in (turns, len(answers)):
        said = [yes_or_no(value[place]) for place in answers] if len(value) == turns else [*map(yes_or_no, value)]
    else:
        said = [yes_or_no(value)] * len(answers)
    marks = [mark for mark in said if mark is not None]
    return marks if marks and len(marks) == len(answers) else None


def _required(fields: Mapping[str, Any], field: str, where: str) -> bool:
    value = yes_or_no(fields[field])
    if value is None:
        detail = f"{where} has {field}={fields[field]!r}; only 0 and 1 (false and true) can be honoured"
        raise RowError("unsupported-weight", detail)
    return value
