"""What a trainer would train on, rehearsed with the tokenizer of the model and held against the selection's mask.

The masks are those of the trainers' documented ways, written out once more: TRL trains on what comes after the rendered
prompt; axolotl looks for an answer by rendering the conversation up to it twice, once with a dummy in its place. Under
templates that show the last answer otherwise than earlier ones the second finds the wrong tokens.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spice_select.data.encoding import Encoder
from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation, Example
from spice_select.errors import InputError
from spice_select.export.base import Record
from spice_select.export.trainee import Trainee
from spice_select.settings.counted import counted

DUMMY = "[[dummy_message]]"
"""What axolotl puts in the place of an answer."""
_NEAR = 3
"""How far from an answer axolotl still takes an end of turn for its own, in tokens."""


@dataclass
class Rehearsal:
    """Compares masks row by row, where the model's tokenizer is on this machine; else it finds nothing.

    Attributes:
        short: how many of the selection's tokens the trainer leaves out of the loss, by row; rows without are not here.
        compared: the rows that were compared.
        unlike: those that are other tokens than in the selection, so that masks cannot be compared.
    """

    trainee: Trainee
    short: dict[int, int] = field(default_factory=dict)
    compared: set[int] = field(default_factory=set)
    unlike: set[int] = field(default_factory=set)
    _encoder: Encoder | None = None

    def __post_init__(self) -> None:
        tokenizer = self.trainee.tokenizer
        if tokenizer is not None and tokenizer.chat_template:
            try:
                self._encoder = Encoder(tokenizer)
            except InputError:
                self._encoder = None

    @property
    def possible(self) -> bool:
        """Whether there is a tokenizer to rehearse with."""
        return self._encoder is not None

    def render(self, messages: Sequence[Record], tools: Sequence[Any], *, prompt: bool = False) -> list[int]:
        """The tokens of messages as the trainer shows them to the template; a `RowError` where that refuses them."""
        ids: list[int] = self._shown(messages, tools=list(tools) or None, add_generation_prompt=prompt)
        return ids

    def text(self, messages: Sequence[Record], *, prompt: bool = False) -> str:
        """The text of messages without tools; a `RowError` as `render`."""
        text: str = self._shown(messages, add_generation_prompt=prompt, tokenize=False)
        return text

    def _shown(self, messages: Sequence[Record], **how: Any) -> Any:
        """On the selection's own day where the template shows today's date: the trainer's is another each day."""
        template = self.trainee.template
        try:
            beside = {} if template is None else template.beside(how.get("tools") or ())
            return self.trainee.tokenizer.apply_chat_template(list(messages), return_dict=False, **beside, **how)
        except Exception as error:  # whatever a template raises
            raise RowError(
                "template-refuses", f"the model's chat template refuses the conversation: {error}"
            ) from error

    def compare(self, conversation: Conversation, ids: Sequence[int], mask: Sequence[bool], trainer: str) -> None:
        """Remember what the trainer leaves out; a `RowError` where it trains on tokens that the selection does not.

        What comes after the last answer is let be: a line end, or a token that closes the whole text.
        """
        if self._encoder is None:
            return
        own = self._encoder.encode(conversation)
        if not isinstance(own, Example) or own.input_ids.tolist() != list(ids):
            self.unlike.add(conversation.row.number)
            return
        theirs, ours = np.array(mask, dtype=np.bool_), own.supervised
        last = int(np.flatnonzero(ours)[-1])
        if extra := int((theirs & ~ours)[: last + 1].sum()):
            told = counted(extra, "token that is", "tokens that are")
            detail = f"{trainer} would train on {told} no answer's, under the model's chat template"
            raise RowError("other-tokens", detail)
        self.compared.add(conversation.row.number)
        if short := int((ours & ~theirs).sum()):
            row = conversation.row.number
            self.short[row] = self.short.get(row, 0) + short

    def note(self, trainer: str) -> tuple[str, ...]:
        """How much the trainer leaves out of the loss, and where that is not known, in sentences; or nothing."""
        notes = []
        if self.short:
            notes.append(
                f"{trainer} leaves tokens of the answers out of the loss that the selection took in: "
                f"{counted(sum(self.short.values()), 'token')} in {len(self.short)} of "
                f"{counted(len(self.compared), 'row')}."
            )
        if self.unlike:
            notes.append(
                f"{trainer} makes other tokens than the selection of {counted(len(self.unlike), 'row')}: what it "
                "trains on there was not compared."
            )
        return tuple(notes)


def completion_mask(
    rehearsal: Rehearsal, messages: Sequence[Record], tools: Sequence[Any]
) -> tuple[list[int], list[bool]]:
    """Tokens and mask of TRL's `prompt` and `completion`: what comes after the rendered prompt."""
    prompt = rehearsal.render(messages[:-1], tools, prompt=True)
    ids = rehearsal.render(messages, tools)
    begin = _first_difference(prompt, ids)
    return ids, [place >= begin for place in range(len(ids))]


def axolotl_mask(
    rehearsal: Rehearsal,
    messages: Sequence[Record],
    tools: Sequence[Any],
    trained: Collection[int],
    ends: Collection[int],
) -> tuple[list[int], list[bool]]:
    """Tokens and mask of axolotl's `chat_template`.

    Args:
        rehearsal: renders.
        messages: as the template gets them, arguments of calls as objects.
        tools: of the row.
        trained: the places of the answers that are trained on.
        ends: the tokens that may end a turn.
    """
    ids = rehearsal.render(messages, tools)
    mask = [False] * len(ids)
    for place in sorted(trained):
        dummy = rehearsal.render([*messages[:place], {"role": messages[place]["role"], "content": DUMMY}], tools)
        full = ids if place + 1 == len(messages) else rehearsal.render(messages[: place + 1], tools)
        begin = _first_difference(dummy, full)
        end = len(full) - _first_difference(dummy[::-1], full[::-1])
        if begin >= min(len(dummy), len(full)) or end <= begin:
            continue
        mask[begin:end] = [True] * (min(end, len(mask)) - begin)
        close = next((at for at in range(end, len(ids)) if ids[at] in ends), None)
        if close is not None and close - end <= _NEAR:
            mask[close] = True
    return ids, mask[: len(ids)]


def _first_difference(one: Sequence[int], other: Sequence[int]) -> int:
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)
