"""Rows as the proxy sees them, before any gradient is computed."""

from dataclasses import dataclass

from spice_select.config import SelectSettings
from spice_select.corpus import read_corpus
from spice_select.data.encode import Encoder
from spice_select.data.formats import detect_format
from spice_select.data.preview import Segment, segments
from spice_select.data.records import Drop, Example
from spice_select.errors import InputError
from spice_select.proxy import find_proxy


@dataclass(frozen=True)
class Shown:
    """An example and its text in runs, trained on or not."""

    example: Example
    segments: list[Segment]


@dataclass(frozen=True)
class Preview:
    """A few rows as the proxy sees them.

    Attributes:
        format: the row format, described.
        proxy: the model's name.
        notes: what a person should know about what was read, and about the chat template.
        rows: where each row stands, and the row as shown or the reason it would be dropped.
    """

    format: str
    proxy: str
    notes: tuple[str, ...]
    rows: list[tuple[str, Shown | Drop]]


def preview_rows(corpus: str, settings: SelectSettings, *, rows: int = 3, start: int = 0) -> Preview:
    """Encode rows ``start … start + rows − 1`` of a corpus. Needs the tokenizer only.

    Raises:
        InputError: as `spice_select.select`, or the rows asked for do not exist.
    """
    found = read_corpus(corpus, settings)
    read = found.rows
    if rows < 1 or not 0 <= start < len(read):
        raise InputError(
            f"rows {start} to {start + rows - 1} cannot be shown: {corpus} has rows 0 to {len(read) - 1}. "
            "Give --start within them and --rows of at least 1."
        )
    row_format = detect_format(read, settings.data.format)
    proxy = find_proxy(settings)
    encoder = Encoder(proxy.tokenizer, max_length=settings.data.max_length)
    shown: list[tuple[str, Shown | Drop]] = []
    for row in read[start : start + rows]:
        conversation = row_format.read(row)
        result = conversation if isinstance(conversation, Drop) else encoder.encode(conversation)
        if isinstance(result, Example):
            shown.append((row.where, Shown(result, segments(result, proxy.tokenizer))))
        else:
            shown.append((row.where, result))
    return Preview(row_format.describe(), proxy.identity.name, (*found.notes, *encoder.notes), shown)
