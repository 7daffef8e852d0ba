"""The rows of a corpus, read as the settings say, and encoded in sight of the person who waits."""

from collections.abc import Sequence
from typing import overload

from spice_select.data.encoding import Encoded, Encoder, encode_rows
from spice_select.data.formats import Format, PreferencePairs
from spice_select.data.records import Example, Row, Sample
from spice_select.data.settings import DataSettings
from spice_select.data.sources import Corpus, read_source
from spice_select.progress import Progress

__all__ = ["Corpus", "encode_corpus", "read_corpus"]


def read_corpus(corpus: str, data: DataSettings, *, allow_network: bool = False) -> Corpus:
    """Read every row, and what is to be said of the reading; errors as `spice_select.data.sources.read_source`."""
    return read_source(
        corpus,
        split=data.split,
        subset=data.subset,
        revision=data.revision,
        allow_network=allow_network,
    )


@overload
def encode_corpus(
    rows: Sequence[Row], row_format: Format, encoder: Encoder, progress: Progress, *, name: str = "Encoding"
) -> Encoded[Example]: ...
@overload
def encode_corpus(
    rows: Sequence[Row],
    row_format: Format | PreferencePairs,
    encoder: Encoder,
    progress: Progress,
    *,
    name: str = "Encoding",
) -> Encoded[Sample]: ...
def encode_corpus(
    rows: Sequence[Row],
    row_format: Format | PreferencePairs,
    encoder: Encoder,
    progress: Progress,
    *,
    name: str = "Encoding",
) -> Encoded[Sample]:
    """`encode_rows` under a progress bar called `name`."""
    with progress.task(name, len(rows), "rows") as advance:
        return encode_rows(rows, row_format, encoder, advance)
