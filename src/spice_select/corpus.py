"""The rows of a corpus, read as the settings say."""

from spice_select.config import SelectSettings
from spice_select.data.records import Row
from spice_select.data.sources import read_rows


def read_corpus(corpus: str, settings: SelectSettings) -> list[Row]:
    """Read every row; errors as `spice_select.data.sources.read_rows`."""
    data = settings.data
    return read_rows(
        corpus,
        split=data.split,
        subset=data.subset,
        revision=data.revision,
        allow_network=settings.proxy.allow_network,
    )
