"""The corpus of a finished run, read again from where it lay, and known to be the same."""

from collections.abc import Sequence

from spice_select.data.corpus import read_corpus
from spice_select.data.records import Row
from spice_select.errors import InputError
from spice_select.run import files as outputs
from spice_select.run.finished import Run
from spice_select.run.identity import rows_hash
from spice_select.run.settings import SelectSettings, read_config


def named_corpus(run: Run) -> str:
    """What the corpus of a run was called. Raises InputError where its file does not say."""
    return _named(run)[0]


def reread_corpus(run: Run, *, allow_network: bool = False) -> Sequence[Row]:
    """Every row that a run was given, chosen or not, in order.

    Args:
        run: a finished run.
        allow_network: may read a hub data set, beside what the run's own settings allow.

    Raises:
        InputError: the corpus is gone, or its rows are no longer those of the run.
    """
    corpus, settings = _named(run)
    if allow_network:
        settings = settings.model_copy(update={"proxy": settings.proxy.model_copy(update={"allow_network": True})})
    try:
        rows = read_corpus(corpus, settings.data, allow_network=settings.proxy.allow_network).rows
    except InputError as error:
        raise InputError(
            f"the corpus of {run.path} is read again from where it lay, and cannot be: {error} Put it back there, or "
            f"name its new place in {run.path / outputs.CONFIG} (corpus)."
        ) from error
    if rows_hash(rows) != run.manifest["identity"]["corpus_sha256"]:
        raise InputError(
            f"corpus {corpus}: its rows are no longer those that {run.path} selected from. Put the old file back, or "
            "select again."
        )
    return rows


def _named(run: Run) -> tuple[str, SelectSettings]:
    corpus, settings = read_config(run.path / outputs.CONFIG)
    if corpus is None:
        raise InputError(f"{run.path / outputs.CONFIG}: it names no corpus. Make the run again with this version.")
    return corpus, settings
