"""The suspects of a finished run: every row that gives a reason to look at it, chosen or not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.corpus import encode_corpus
from spice_select.data.encoding import Encoder
from spice_select.data.formats import FORMATS
from spice_select.data.plain import plain
from spice_select.data.records import Example, Row
from spice_select.diagnosis.suspects import Suspect, Suspects
from spice_select.diagnosis.suspects.look import look_for
from spice_select.features.proxy import Proxy, find_proxy
from spice_select.methods.base import GRADIENTS
from spice_select.progress import Progress, Silent
from spice_select.run.corpus import reread_corpus
from spice_select.run.exclusion import LOSSES, UNPROMPTED, evidence_of
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder
from spice_select.run.origin import feature_store
from spice_select.run.parts import parts_of_feature
from spice_select.store import FeatureBlock

SUSPECTS_FILE = "suspects.jsonl"
_LEARNABILITY = "learnability"


def suspects_of(run: Run, *, learnability: bool = False, progress: Progress | None = None) -> Suspects:
    """Every kind of suspect among the rows of a finished run, also written to its folder as ``suspects.jsonl``.

    Nothing is dropped and the choice stays as it is. Cost: the texts are read again; losses are those that the run
    kept.

    Args:
        run: a finished run.
        learnability: also train the proxy twice, briefly, and list what it cannot learn. That is kept in the run's
            folder: it is done once, and resumed where it was interrupted.
        progress: shown how far the work is; silent by default.

    Raises:
        InputError: the corpus is gone or changed, or its rows cannot be encoded as they were.
    """
    progress = progress or Silent()
    rows, settings = reread_corpus(run), run.settings
    proxy, row_format = find_proxy(settings.request, progress), FORMATS[run.manifest["identity"]["format"]]
    encoder = Encoder(proxy.tokenizer, max_length=settings.data.max_length)
    examples = encode_corpus(rows, row_format, encoder, progress).examples
    read = [row_format.read(rows[example.row]) for example in examples]
    evidence = evidence_of(examples, read, _known(run), summed=settings.gradients.loss == "sum")
    if learnability:
        evidence = replace(evidence, learnability=_learnability(run, examples, proxy, progress))
    found = look_for(evidence, progress=progress)
    RunFolder(run.path).write_lines(SUSPECTS_FILE, _lines(found.listed, rows))
    return found


def _known(run: Run) -> dict[str, FeatureBlock]:
    """The features of a run that know losses."""
    blocks = {GRADIENTS: run.features} if run.manifest["parts"] else {}
    for name in (LOSSES, UNPROMPTED):
        store = feature_store(run.path, run.manifest["identity"], name)
        count = len(list(store.folder.glob("part-*.parquet")))
        if count:
            blocks[name] = store.read(count)
    return blocks


def _learnability(run: Run, examples: Sequence[Example], proxy: Proxy, progress: Progress) -> NDArray[np.float64]:
    """Cold less warm loss of each row, float64 ``[n]`` in ascending order of their numbers, NaN where it is none."""
    identity = run.manifest["identity"]
    parts = parts_of_feature(_LEARNABILITY, run.path, identity, examples, run.settings, proxy, progress)
    block = parts.store.read(parts.compute())
    return np.where(block.finite, block["loss"] - block["warm"], np.nan)


def _lines(suspects: Sequence[Suspect], rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for suspect in suspects:
        row = rows[suspect.row]
        raw, encoded = plain(row.raw)
        line = {
            "row": suspect.row,
            "where": row.where,
            "kind": suspect.kind,
            "score": suspect.score,
            "reason": suspect.reason,
            "partners": list(suspect.partners),
            "sha256": row.content_hash,
            "record": raw,
        }
        yield {**line, "encoded": encoded} if encoded else line
