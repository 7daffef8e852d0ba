"""The records that travel along the way of the data: row → conversation → example, or a drop with its reason."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.plain import json_text


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the corpus, exactly as it came.

    Attributes:
        number: position in the corpus, counted from 0; the identity of the row in every file of a run.
        raw: the row's fields, untouched.
        where: file and line (or row) for messages to people, e.g. ``train.jsonl:17``.
    """

    number: int
    raw: dict[str, Any]
    where: str
    _digest: bytes = field(default=b"", init=False, repr=False, compare=False)

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the row's canonical JSON: the same content gives the same hash in any file or order.

        What JSON cannot say counts as the files of a run write it: bytes as base64, times as ISO 8601, NaN as null.
        Found when first asked for, and kept: 32 bytes a row, for identity, example and output files all ask.
        """
        if not self._digest:
            canonical = json_text(self.raw, sort_keys=True, separators=(",", ":"))
            digest = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()
            object.__setattr__(self, "_digest", digest)
        return self._digest.hex()


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus as it was read.

    Attributes:
        rows: every row, in order, numbered from 0; at least one.
        notes: what lay there and was not read, or read otherwise than its names suggest, a sentence each.
    """

    rows: list[Row]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A row read through its format: a list of turns in the shape that chat templates take.

    Attributes:
        row: where it came from.
        messages: ``{"role": "system" | "user" | "assistant" | "tool", "content": str, ...}`` in order.
        source: the group the row belongs to (its `source` or `dataset` column), or ``""``.
        tools: the JSON schemas of the tools the assistant may call, for templates that show them.
        untrained: positions in `messages` of the assistant's turns that the row itself takes out of the loss
            (``weight: 0``, ``train: false``, ``loss: false``): they are read, not learnt.
        unread: fields of the row that hold something and that nobody read.
        unread_of_turns: the same of its turns, one entry for each turn and field.
        remarks: what was noticed in reading, once for each turn; names known to `spice_select.data.encoding.notes`.
    """

    row: Row
    messages: tuple[dict[str, Any], ...]
    source: str
    tools: tuple[dict[str, Any], ...] = ()
    untrained: frozenset[int] = frozenset()
    unread: tuple[str, ...] = ()
    unread_of_turns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation as the model sees it.

    Attributes:
        row: number of the row it came from.
        input_ids: int32 ``[tokens]``.
        supervised: bool ``[tokens]``; true where the token itself is trained on, i.e. appears as a target.
            ``supervised[0]`` is always false: nothing precedes the first token.
        source: the group of the row.
        content_hash: the row's hash.
        truncated: how many tokens were cut off at the end.
        remarks: what the chat template did to it, once for each turn; names as those of a conversation.
    """

    row: int
    input_ids: NDArray[np.int32]
    supervised: NDArray[np.bool_]
    source: str
    content_hash: str
    truncated: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def num_tokens(self) -> int:
        return len(self.input_ids)

    @property
    def num_supervised(self) -> int:
        return int(self.supervised.sum())


@dataclass(frozen=True, slots=True)
class Drop:
    """A row that was left out, and why.

    Attributes:
        row: number of the row.
        reason: a short name, the same for all rows with the same fault, e.g. ``no-supervised-token``.
        detail: what exactly was wrong with this row.
    """

    row: int
    reason: str
    detail: str
