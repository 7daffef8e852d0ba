"""Rows as the proxy sees them, before any gradient is computed."""

from collections.abc import Sequence
from dataclasses import dataclass

from spice_select.data.corpus import read_corpus
from spice_select.data.encoding import Encoder, encode_some
from spice_select.data.encoding.pairs import encode_pairs
from spice_select.data.encoding.segments import Decoder, Segment, segments
from spice_select.data.formats import Format, PreferencePairs, described, detect_reader
from spice_select.data.records import Conversation, Drop, Example, Pair, PairExample, Row
from spice_select.errors import InputError
from spice_select.features.proxy import find_proxy
from spice_select.run.settings import SelectSettings

_LOOKED_AT = 300
"""Rows that the notes speak of: enough to see what a corpus holds, few enough to wait for."""


@dataclass(frozen=True)
class Shown:
    """An example and its text in runs, trained on or not."""

    example: Example
    segments: list[Segment]


@dataclass(frozen=True)
class ShownPair:
    """A pair and its text in runs: the prompt with the chosen answer, and the rejected answer alone."""

    example: PairExample
    chosen: list[Segment]
    rejected: list[Segment]


@dataclass(frozen=True)
class Preview:
    """A few rows as the proxy sees them.

    Attributes:
        format: the row format, described.
        proxy: the model's name.
        notes: what a person should know about what was read, about the chat template, and about how the rows are read
            and shown: those asked for, and the first 300 of the corpus.
        rows: where each row stands, and the row as shown or the reason it would be dropped.
    """

    format: str
    proxy: str
    notes: tuple[str, ...]
    rows: list[tuple[str, Shown | ShownPair | Drop]]


def preview_rows(corpus: str, settings: SelectSettings, *, rows: int = 3, start: int = 0) -> Preview:
    """Encode rows ``start … start + rows − 1`` of a corpus. Needs the tokenizer only.

    Raises:
        InputError: as `spice_select.select`, or the rows asked for do not exist.
    """
    found = read_corpus(corpus, settings.data, allow_network=settings.proxy.allow_network)
    read = found.rows
    if rows < 1 or not 0 <= start < len(read):
        raise InputError(
            f"rows {start} to {start + rows - 1} cannot be shown: {corpus} has rows 0 to {len(read) - 1}. "
            "Give --start within them and --rows of at least 1."
        )
    row_format = detect_reader(read, settings.data.format)
    proxy = find_proxy(settings.request)
    encoder = Encoder(proxy.tokenizer, max_length=settings.data.max_length)
    shown = [(row.where, _shown(row_format.read(row), encoder, proxy.tokenizer)) for row in read[start : start + rows]]
    notes = (
        *found.notes,
        *encoder.notes,
        *_notes(read, range(start, min(start + rows, len(read))), row_format, encoder),
    )
    return Preview(described(row_format), proxy.identity.name, notes, shown)


def _shown(found: Conversation | Pair | Drop, encoder: Encoder, tokenizer: Decoder) -> Shown | ShownPair | Drop:
    if isinstance(found, Drop):
        return found
    result = encode_pairs([found], encoder)[0] if isinstance(found, Pair) else encoder.encode(found)
    if isinstance(result, PairExample):
        rejected = segments(result.rejected, tokenizer)
        begin = next((place for place, segment in enumerate(rejected) if segment.supervised), len(rejected))
        return ShownPair(result, segments(result.chosen, tokenizer), rejected[begin:])
    return Shown(result, segments(result, tokenizer)) if isinstance(result, Example) else result


def _notes(
    read: Sequence[Row], asked: range, row_format: Format | PreferencePairs, encoder: Encoder
) -> tuple[str, ...]:
    """What is to be said of the rows asked for and of the first of the corpus; it says how many if not of all."""
    looked_at = [row for place, row in enumerate(read) if place < _LOOKED_AT or place in asked]
    notes = encode_some(looked_at, row_format, encoder).notes
    some = f"Of {len(looked_at):,} rows looked at: " if len(looked_at) < len(read) else ""
    return tuple(f"{some}{note}" for note in notes)
