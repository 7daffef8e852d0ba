"""Many rows at once, read through their format and encoded: what is used, what is left out, and what is to be said."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from spice_select.data.encoding.encoder import Encoder
from spice_select.data.encoding.notes import Notes
from spice_select.data.formats import Format
from spice_select.data.records import Conversation, Drop, Example, Row
from spice_select.errors import InputError
from spice_select.progress import Advance

_CHUNK = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """A corpus as the model sees it.

    Attributes:
        examples: the usable rows, in the order of the corpus.
        drops: the others, each with its reason, in the order of the corpus.
        notes: what a person should know of how the rows that are used were read and shown, in sentences with counts.
    """

    examples: list[Example]
    drops: list[Drop]
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


def encode_rows(rows: Sequence[Row], format: Format, encoder: Encoder, advance: Advance | None = None) -> Encoded:
    """Read and encode a whole corpus; `advance` is told of every few hundred rows.

    Raises:
        InputError: not a single row can be used; the message counts the reasons.
    """
    everything = encode_some(rows, format, encoder, advance)
    if not everything.examples:
        raise InputError(_all_dropped(rows, everything))
    return everything


def encode_some(rows: Sequence[Row], format: Format, encoder: Encoder, advance: Advance | None = None) -> Encoded:
    """As `encode_rows`, for rows of which none may be usable."""
    examples: list[Example] = []
    drops: list[Drop] = []
    notes = Notes()
    for start in range(0, len(rows), _CHUNK):
        chunk = [format.read(row) for row in rows[start : start + _CHUNK]]
        encoded = iter(encoder.encode_many([item for item in chunk if isinstance(item, Conversation)]))
        for item in chunk:
            result = item if isinstance(item, Drop) else next(encoded)
            if isinstance(result, Drop):
                drops.append(result)
            elif isinstance(item, Conversation):
                examples.append(result)
                notes.count(item, result)
        if advance is not None:
            advance(len(chunk))
    return Encoded(examples=examples, drops=drops, notes=notes.sentences())


def _all_dropped(rows: Sequence[Row], encoded: Encoded) -> str:
    if not encoded.drops:
        return "there are no rows. Give a corpus with at least one."
    counts = ", ".join(f"{reason} {count}" for reason, count in encoded.reasons.items())
    where = {row.number: row.where for row in rows}
    first = encoded.drops[0]
    return (
        f"none of the {len(rows)} rows can be used ({counts}); the first, {where[first.row]}: {first.detail}. "
        "Check the format and the chat template, e.g. with spice preview."
    )
