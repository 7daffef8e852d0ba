"""Which answers a row takes out of the loss, in the spellings of the trainers that know such a thing."""

from collections.abc import Mapping
from typing import Any

from spice_select.data.formats.base import RowError, number_in
from spice_select.data.formats.fields import Fields, says_nothing
from spice_select.data.formats.switches import yes_or_no

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

_TURN_TRAINED = ("step_loss_mask", "calculate_loss", "compute_loss", "enable_loss", "use_loss")
_TURN_MASKED = ("is_masked", "no_loss")
"""More of both (slime, others) that are read of turns alone: a row's ``is_masked`` tells of an anonymised text."""

_PARTLY = ("train_detail", "training_detail")
"""Fields that take parts of a turn out of the loss (axolotl): not supported."""

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


def row_is_trained(row: Fields) -> bool:
    """Whether the answers of a row are to be learnt, by the row's own fields.

    A row's ``weight`` has to be 0 or 1. The other names count where they hold a yes or no, since in a row they may
    mean anything (a loss that was measured, the name of a split); else they are left unread, and so are named.

    Raises:
        RowError: a weight that is neither 0 nor 1; the assistant's side masked for the other one's.
    """
    said = []
    if isinstance(weight := row.peek("weight"), int | float) or number_in(weight) is not None:
        said.append(_required(row, "weight", "the row"))
    for field in (*_TRAINED[1:], *_MASKED):
        if (value := yes_or_no(row.peek(field))) is not None:
            row[field]
            said.append(value != (field in _MASKED))
    if isinstance(mask := row.peek("mask"), str):  # NeMo names the side that is left out
        if mask.strip().lower() in _OTHERS_ARE_MASKED:
            row["mask"]
        elif mask.strip().lower() in _ASSISTANT_IS_MASKED:
            raise RowError("unsupported-weight", f"the row masks {mask!r}: its questions are to be learnt, not answers")
    return all(said)


def _required(fields: Mapping[str, Any], field: str, where: str) -> bool:
    value = yes_or_no(fields[field])
    if value is None:
        detail = f"{where} has {field}={fields[field]!r}; only 0 and 1 (false and true) can be honoured"
        raise RowError("unsupported-weight", detail)
    return value
