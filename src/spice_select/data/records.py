"""The records that travel along the way of the data: row → conversation or pair → example, or a drop."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

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

    @classmethod
    def hashed(cls, number: int, raw: dict[str, Any], where: str, digest: bytes) -> Self:
        """A row whose digest is known."""
        row = cls(number, raw, where)
        object.__setattr__(row, "_digest", digest)
        return row

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the row's canonical JSON: the same content gives the same hash in any file or order.

        What JSON cannot say counts as the files of a run write it: bytes as base64, times as ISO 8601, NaN as null.
        """
        return self.digest.hex()

    @property
    def digest(self) -> bytes:
        """`content_hash` as 32 bytes. Found when first asked for, and kept: identity, example and outputs all ask."""
        if not self._digest:
            canonical = json_text(self.raw, sort_keys=True, separators=(",", ":"))
            digest = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()
            object.__setattr__(self, "_digest", digest)
        return self._digest


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus as it was read.

    Attributes:
        rows: every row, in order, numbered from 0; at least one.
        notes: what lay there and was not read, or read otherwise than its names suggest, a sentence each.
    """

    rows: Sequence[Row]
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
        label: whether the row marks its answer as one to give (true) or not to give; None: it is there to be learnt.
    """

    row: Row
    messages: tuple[dict[str, Any], ...]
    source: str
    tools: tuple[dict[str, Any], ...] = ()
    untrained: frozenset[int] = frozenset()
    unread: tuple[str, ...] = ()
    unread_of_turns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    label: bool | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A row that prefers one answer to another, read through its format: a prompt and the turns that each answer adds.

    Attributes:
        row: where it came from.
        prompt: the turns that both answers follow, as those of a conversation; none of them is learnt.
        chosen, rejected: the turns of each answer: the assistant's, and between them results of tools.
        source: the group the row belongs to, or ``""``.
        tools: the JSON schemas of the tools the assistant may call.
        margin: by how much the row says that the chosen answer is the better one, in whatever unit; None: it does not.
        unread, unread_of_turns, remarks: as those of a conversation.
    """

    row: Row
    prompt: tuple[dict[str, Any], ...]
    chosen: tuple[dict[str, Any], ...]
    rejected: tuple[dict[str, Any], ...]
    source: str
    tools: tuple[dict[str, Any], ...] = ()
    margin: float | None = None
    unread: tuple[str, ...] = ()
    unread_of_turns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def conversations(self) -> tuple[Conversation, Conversation]:
        """The prompt with the chosen answer, and with the rejected one; answers inside the prompt are not trained."""
        earlier = frozenset(place for place, turn in enumerate(self.prompt) if turn["role"] == "assistant")
        chosen, rejected = (
            Conversation(self.row, (*self.prompt, *answer), self.source, self.tools, earlier)
            for answer in (self.chosen, self.rejected)
        )
        return chosen, rejected

    @property
    def in_one(self) -> Conversation:
        """The prompt, the rejected answer and the chosen one, last, as one conversation: for whoever compares words."""
        return Conversation(self.row, (*self.prompt, *self.rejected, *self.chosen), self.source)

    @property
    def prompt_hash(self) -> str:
        """SHA-256 (hex) of prompt and tools: pairs of one prompt have the same, in any format."""
        return _digest([self.prompt, self.tools])

    @property
    def answer_hashes(self) -> tuple[str, str]:
        """SHA-256 (hex) of the chosen and of the rejected answer's turns."""
        return _digest(self.chosen), _digest(self.rejected)


def _digest(value: Any) -> str:
    canonical = json_text(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


Ids = NDArray[np.int32]
"""The tokens of a text, int32 ``[tokens]``."""


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
        label: as that of a conversation; the gradient of an answer not to give has its sign turned.
    """

    row: int
    input_ids: Ids
    supervised: NDArray[np.bool_]
    source: str
    content_hash: str
    truncated: int = 0
    remarks: tuple[str, ...] = ()
    label: bool | None = None

    @property
    def num_tokens(self) -> int:
        return len(self.input_ids)

    @property
    def num_supervised(self) -> int:
        return int(self.supervised.sum())

    @property
    def padded_tokens(self) -> int:
        """Tokens that it takes up in a batch where it is the longest."""
        return len(self.input_ids)

    @property
    def sign(self) -> int:
        """Of its gradient: KTO's of an answer not to give, at the reference, is that of learning it turned round."""
        return -1 if self.label is False else 1

    @property
    def sequences(self) -> "tuple[Example, ...]":
        """What a model is shown of it: itself."""
        return (self,)


@dataclass(frozen=True, slots=True)
class PairExample:
    """A pair as the model sees it: two sequences that begin with one prompt. One row of every table of features.

    Attributes:
        row: number of the row it came from.
        chosen, rejected: prompt and answer, supervised on the answer alone; their prompts are the same tokens.
        shared: how many supervised tokens both answers begin with.
        prompt: `Pair.prompt_hash`.
        answers: `Pair.answer_hashes`.
    """

    row: int
    chosen: Example
    rejected: Example
    shared: int
    prompt: str
    answers: tuple[str, str]

    @property
    def source(self) -> str:
        return self.chosen.source

    @property
    def content_hash(self) -> str:
        return self.chosen.content_hash

    @property
    def truncated(self) -> int:
        """How many tokens were cut off at the ends of both."""
        return self.chosen.truncated + self.rejected.truncated

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the chat template did to it, once for each turn; of turns that both sides have, once."""
        return tuple((Counter(self.chosen.remarks) | Counter(self.rejected.remarks)).elements())

    @property
    def num_tokens(self) -> int:
        """Of both sequences: a trainer reads the prompt twice."""
        return self.chosen.num_tokens + self.rejected.num_tokens

    @property
    def num_supervised(self) -> int:
        """Of both answers."""
        return self.chosen.num_supervised + self.rejected.num_supervised

    @property
    def padded_tokens(self) -> int:
        """Tokens that it takes up in a batch where it is the longest: the shorter side is padded to the longer."""
        return 2 * max(self.chosen.num_tokens, self.rejected.num_tokens)

    @property
    def sequences(self) -> tuple[Example, ...]:
        """What a model is shown of it: the chosen answer, then the rejected one."""
        return (self.chosen, self.rejected)


Sample = Example | PairExample
"""What has one gradient: a row's answers, or a pair's two answers told apart."""


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
