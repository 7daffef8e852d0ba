"""From a conversation to an example: the tokens a model sees, and which of them it is trained on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.encoding.mask import mask_of, narrowed, within
from spice_select.data.encoding.spans import Located, SpanFinder
from spice_select.data.encoding.template import ChatTemplate
from spice_select.data.formats.base import RowError
from spice_select.data.records import Conversation, Drop, Example
from spice_select.errors import InputError


class Encoder:
    """Encodes conversations with a tokenizer's chat template, supervised on the assistant's turns alone.

    Supervised are the tokens of every answer of a conversation and of its end of turn; not the headers, and not the
    line end after the end of turn. A token that begins before an answer does (a merge across the border) is left out,
    save where only spaces come before: word pieces carry the space in front of them.

    Attributes:
        max_length: longest example in tokens; longer ones are cut at the end, and say by how much.
        template_hash: SHA-256 of the chat template, or of the fallback.
        fallback: which fallback stands in for a missing chat template, else None.
        notes: what a person should know about this template, in sentences.
    """

    def __init__(self, tokenizer: Any, *, max_length: int | None = None) -> None:
        """Ask the template how it shows an exchange. Raises `InputError` if it cannot, if the tokenizer
        gives no character offsets, or if `max_length` < 2.
        """
        if max_length is not None and max_length < 2:
            raise InputError(f"max_length={max_length}: an example needs at least 2 tokens. Give a larger one.")
        if not tokenizer.is_fast:
            raise InputError(
                f"{type(tokenizer).__name__}: gives no character offsets, which the response mask is made from. "
                "Use a model with a fast tokenizer (a tokenizer.json)."
            )
        self.max_length = max_length
        self._tokenizer = tokenizer
        self._template = ChatTemplate(tokenizer)
        self._unknown = _unknown_token(tokenizer)
        self._spans = SpanFinder(self._template, _special_tokens(tokenizer))
        self.template_hash = self._template.hash
        self.fallback = self._template.fallback
        self.notes = _notes(self._template, self._spans)

    def answer_header(self) -> NDArray[np.int32]:
        """The tokens that the template puts before an answer, whatever was asked, int32 ``[tokens]``.

        Its header of the assistant (``<|im_start|>assistant`` and the line end in ChatML), and before it the BOS token
        where the template begins a text with one. Raises `InputError` if that comes to nothing.
        """
        text, (begin, end) = self._spans.exchange, self._spans.header
        encoding = self._encodings([text])[0]
        ids = np.array(encoding.ids, dtype=np.int32)
        written = begin + len(text[begin:end].rstrip(" "))  # spaces before an answer are the answer's
        header = ids[within(text, [(begin, written)], encoding.offsets)]
        if ids[0] == self._tokenizer.bos_token_id and header[:1] != ids[:1]:  # some begin every turn with their BOS
            header = np.concatenate([ids[:1], header])
        if not len(header):
            raise InputError(
                "the chat template writes nothing before an answer, so nothing would predict an answer's first token. "
                "Give a model whose template marks the assistant's turns."
            )
        return header

    def encode(self, conversation: Conversation) -> Example | Drop:
        """One conversation; `encode_many` is faster for several."""
        return self.encode_many([conversation])[0]

    def encode_many(self, conversations: Sequence[Conversation]) -> list[Example | Drop]:
        """Encode conversations in order; one template and one tokenizer call for all of them."""
        located = self._spans.locate(conversations)
        found = [item for item in located if isinstance(item, Located)]
        masked = iter(self._masked(found))
        results: list[Example | Drop] = []
        for conversation, item in zip(conversations, located, strict=True):
            row = conversation.row
            if isinstance(item, RowError):
                results.append(item.drop(row.number))
            else:
                results.append(self._example(conversation, item, *next(masked)))
        return results

    def _masked(self, found: Sequence[Located]) -> list[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
        if not found:
            return []
        encodings = self._encodings([item.text for item in found])
        masked = [
            (np.array(encoding.ids, dtype=np.int32), mask_of(item, encoding.offsets))
            for item, encoding in zip(found, encodings, strict=True)
        ]
        if self._template.marked:
            masked = self._with_marks(found, masked)
        for item, (_, supervised), encoding in zip(found, masked, encodings, strict=True):
            if item.untrained:
                left_out = tuple(item.spans[place] for place in item.untrained)
                supervised &= ~within(item.text, left_out, encoding.offsets)
        return [self._without_second_bos(*pair) for pair in masked]

    def _encodings(self, texts: list[str]) -> list[Any]:
        batch = self._tokenizer(
            texts, add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False, verbose=False
        )
        return list(batch.encodings)

    def _with_marks(
        self, found: Sequence[Located], masked: list[tuple[NDArray[np.int32], NDArray[np.bool_]]]
    ) -> list[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
        """The masks narrowed to the template's own marks, where those can be trusted."""
        without_tools = iter(self._template.marked_tokens([item.messages for item in found if not item.tools]))
        marked = [
            self._template.marked_tokens([item.messages], item.tools)[0] if item.tools else next(without_tools)
            for item in found
        ]
        return [
            (ids, narrowed(own, np.array(marks[1], dtype=np.bool_)) if marks and marks[0] == ids.tolist() else own)
            for (ids, own), marks in zip(masked, marked, strict=True)
        ]

    def _without_second_bos(
        self, ids: NDArray[np.int32], supervised: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        bos = self._tokenizer.bos_token_id
        doubled = bos is not None and len(ids) > 1 and ids[0] == ids[1] == bos
        return (ids[1:], supervised[1:]) if doubled else (ids, supervised)

    def _example(
        self, conversation: Conversation, located: Located, ids: NDArray[np.int32], supervised: NDArray[np.bool_]
    ) -> Example | Drop:
        row = conversation.row
        supervised[:1] = False
        if not supervised.any():
            return Drop(row.number, "no-supervised-token", "the assistant's turns have no token of their own")
        length = len(ids) if self.max_length is None else min(len(ids), self.max_length)
        if not supervised[:length].any():
            first = int(np.flatnonzero(supervised)[0])
            kept = f"past the {length} tokens that are kept"
            detail = f"the first answer that is trained on begins at token {first + 1}, {kept}"
            return Drop(row.number, "nothing-left-after-truncation", detail)
        return Example(
            row=row.number,
            input_ids=ids[:length],
            supervised=supervised[:length],
            source=conversation.source,
            content_hash=row.content_hash,
            truncated=len(ids) - length,
            remarks=(*located.remarks, *(("unknown-tokens",) if self._unknown in ids[:length] else ())),
            label=conversation.label,
        )


def _special_tokens(tokenizer: Any) -> list[str]:
    added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    return sorted({*added, *tokenizer.all_special_tokens})


def _unknown_token(tokenizer: Any) -> int:
    """The token for characters that have none; -1 where there is no such token, or where it means another thing too."""
    name = tokenizer.unk_token or getattr(tokenizer.backend_tokenizer.model, "unk_token", None)
    unknown = None if name is None else tokenizer.convert_tokens_to_ids(name)
    others = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return -1 if unknown is None or unknown in others else int(unknown)


def _notes(template: ChatTemplate, spans: SpanFinder) -> tuple[str, ...]:
    notes = []
    if template.fallback:
        notes.append(f"The tokenizer has no chat template; used instead: {template.fallback}.")
    if not template.takes_system:
        notes.append("The chat template takes no system turn; it is put in front of the first user turn.")
    if not spans.end_of_turn:
        notes.append("The chat template writes no end-of-turn token, so none is trained on.")
    elif not spans.closes_earlier_answers():
        notes.append("The end of turn of answers that others follow cannot be told apart, and is not trained on.")
    return tuple(notes)
