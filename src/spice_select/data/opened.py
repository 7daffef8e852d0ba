"""The way of a corpus to whoever chooses from it: its rows and how they are read, then all of it as a model sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spice_select.data.contradictions import without_contradictions
from spice_select.data.corpus import encode_corpus, read_corpus
from spice_select.data.encoding import Encoded, Encoder
from spice_select.data.formats import Format, PreferencePairs, described, detect_reader
from spice_select.data.records import Row, Sample
from spice_select.data.settings import DataSettings
from spice_select.progress import Progress
from spice_select.settings.counted import counted


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedCorpus:
    """A corpus as it is before a method looks at it.

    Attributes:
        rows: every row.
        row_format: how they are read.
        encoder: what shows them to the proxy.
        encoded: as the proxy sees them.
        notes: what a person should know of that.
    """

    rows: Sequence[Row]
    row_format: Format | PreferencePairs
    encoder: Encoder
    encoded: Encoded[Sample]
    notes: list[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedCorpus:
    """The rows of a corpus and how they are read, before a model is asked for.

    Attributes:
        rows: every row.
        row_format: how they are read.
        notes: what is to be said of the reading.
    """

    rows: Sequence[Row]
    row_format: Format | PreferencePairs
    notes: Sequence[str]

    @classmethod
    def of(
        cls, corpus: str, settings: DataSettings, progress: Progress, *, allow_network: bool = False
    ) -> "OpenedCorpus":
        """Read it and say how. Raises InputError as `read_corpus`, or where no format is known or the given one is."""
        read = read_corpus(corpus, settings, allow_network=allow_network)
        row_format = detect_reader(read.rows, settings.format)
        progress.note(f"{corpus}: {counted(len(read.rows), 'row')}, {described(row_format)}")
        return cls(rows=read.rows, row_format=row_format, notes=read.notes)

    def encoded(self, tokenizer: Any, settings: DataSettings, progress: Progress) -> EncodedCorpus:
        """As a model with this tokenizer sees it, in sight of the person who waits."""
        encoder = Encoder(tokenizer, max_length=settings.max_length)
        encoded = encode_corpus(self.rows, self.row_format, encoder, progress)
        encoded = without_contradictions(encoded, keep=settings.keep_contradictions)
        notes = [*self.notes, *encoder.notes, *encoded.notes]
        return EncodedCorpus(rows=self.rows, row_format=self.row_format, encoder=encoder, encoded=encoded, notes=notes)
