"""Many rows at once, read through their format and encoded: what is used, what is left out, and what is to be said."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from spice_select.data.encoding.encoder import Encoder
from spice_select.data.encoding.notes import Notes
from spice_select.data.encoding.pairs import encode_pairs
from spice_select.data.encoding.table import ExampleTable
from spice_select.data.formats import Format, PreferencePairs
from spice_select.data.records import Conversation, Drop, Example, Pair, Row, Sample
from spice_select.errors import InputError
from spice_select.progress import Advance

_CHUNK = 256
_Seen = TypeVar("_Seen", bound=Sample, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Encoded(Generic[_Seen]):
    """A corpus as the model sees it.

    Attributes:
        examples: the usable rows, in the order of the corpus, on disk (`ExampleTable`) unless they are pairs.
        drops: the others, each with its reason, in the order of the corpus.
        notes: what a person should know of how the rows that are used were read and shown, in sentences with counts.
    """

    examples: Sequence[_Seen]
    drops: Sequence[Drop]
    notes: tuple[str, ...] = ()

    @property
    def truncated(self) -> int:
        """How many examples were cut at the end."""
        return sum(example.truncated > 0 for example in self.examples)

    @property
    def num_tokens(self) -> int:
        return sum(example.num_tokens for example in self.examples)

    @property
    def num_supervised(self) -> int:
        return sum(example.num_supervised for example in self.examples)

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows were dropped for each reason, the most frequent first."""
        return dict(Counter(drop.reason for drop in self.drops).most_common())


@overload
def encode_rows(
    rows: Sequence[Row], format: Format, encoder: Encoder, advance: Advance | None = None
) -> Encoded[Example]: ...
@overload
def encode_rows(
    rows: Sequence[Row], format: Format | PreferencePairs, encoder: Encoder, advance: Advance | None = None
) -> Encoded[Sample]: ...
def encode_rows(
    rows: Sequence[Row], format: Format | PreferencePairs, encoder: Encoder, advance: Advance | None = None
) -> Encoded[Sample]:
    """Read and encode a whole corpus; `advance` is told of every few hundred rows.

    Raises:
        InputError: not a single row can be used; the message counts the reasons.
    """
    everything = encode_some(rows, format, encoder, advance)
    if not everything.examples:
        raise InputError(_all_dropped(rows, everything))
    return everything


@overload
def encode_some(
    rows: Sequence[Row], format: Format, encoder: Encoder, advance: Advance | None = None
) -> Encoded[Example]: ...
@overload
def encode_some(
    rows: Sequence[Row], format: Format | PreferencePairs, encoder: Encoder, advance: Advance | None = None
) -> Encoded[Sample]: ...
def encode_some(
    rows: Sequence[Row], format: Format | PreferencePairs, encoder: Encoder, advance: Advance | None = None
) -> Encoded[Sample]:
    """As `encode_rows`, for rows of which none may be usable."""
    examples: ExampleTable | list[Sample] = [] if isinstance(format, PreferencePairs) else ExampleTable()
    keep: Callable[[Any], None] = examples.append
    drops: list[Drop] = []
    notes = Notes()
    for start in range(0, len(rows), _CHUNK):
        chunk = [format.read(row) for row in rows[start : start + _CHUNK]]
        encoded = _encoded(chunk, encoder)
        for item in chunk:
            result = item if isinstance(item, Drop) else encoded[item.row.number]
            if isinstance(result, Drop):
                drops.append(result)
            elif not isinstance(item, Drop):
                keep(result)
                notes.count(item, result)
        if advance is not None:
            advance(len(chunk))
    return Encoded(examples=examples, drops=drops, notes=notes.sentences())


def _encoded(chunk: Sequence[Conversation | Pair | Drop], encoder: Encoder) -> dict[int, Sample | Drop]:
    """By the number of the row."""
    conversations = [item for item in chunk if isinstance(item, Conversation)]
    pairs = [item for item in chunk if isinstance(item, Pair)]
    alone, told_apart = encoder.encode_many(conversations), encode_pairs(pairs, encoder)
    found = {item.row.number: result for item, result in zip(conversations, alone, strict=True)}
    return found | {item.row.number: result for item, result in zip(pairs, told_apart, strict=True)}


def _all_dropped(rows: Sequence[Row], encoded: Encoded[Sample]) -> str:
    if not encoded.drops:
        return "there are no rows. Give a corpus with at least one."
    counts = ", ".join(f"{reason} {count}" for reason, count in encoded.reasons.items())
    where = {row.number: row.where for row in rows}
    first = encoded.drops[0]
    return (
        f"none of the {len(rows)} rows can be used ({counts}); the first, {where[first.row]}: {first.detail}. "
        "Check the format and the chat template, e.g. with spice preview."
    )
