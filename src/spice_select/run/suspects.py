"""The suspects of a finished run: every row that gives a reason to look at it, chosen or not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.contradictions import without_contradictions
from spice_select.data.corpus import encode_corpus
from spice_select.data.encoding import Encoder
from spice_select.data.formats import detect_reader
from spice_select.data.plain import plain
from spice_select.data.records import Row, Sample
from spice_select.diagnosis.suspects import Suspect, Suspects
from spice_select.diagnosis.suspects.look import look_for
from spice_select.errors import InputError
from spice_select.features.proxy import Proxy, find_proxy
from spice_select.methods.base import GRADIENTS
from spice_select.progress import Progress, Silent
from spice_select.run.corpus import reread_corpus
from spice_select.run.exclusion import LOSSES, UNPROMPTED, evidence_of
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder
from spice_select.run.origin import feature_store
from spice_select.run.pairs import is_of_pairs, refuse_marks
from spice_select.run.parts import parts_of_feature
from spice_select.store import FeatureBlock

SUSPECTS_FILE = "suspects.jsonl"
_LEARNABILITY = "learnability"


def suspects_of(
    run: Run, *, unprompted: bool = False, learnability: bool = False, progress: Progress | None = None
) -> Suspects:
    """Every kind of suspect among the rows of a finished run, also written to its folder as ``suspects.jsonl``.

    Nothing is dropped and the choice stays as it is. Cost: the texts are read again; losses are those that the run
    kept.

    Args:
        run: a finished run.
        unprompted: also take each answer's loss without its question, and with it where the run kept none: `mismatched`
            goes by what the question saves. One or two forward passes.
        learnability: also train the proxy twice, briefly, and list what it cannot learn. Either is kept in the run's
            folder: it is done once, and resumed where it was interrupted.
        progress: shown how far the work is; silent by default.

    Raises:
        InputError: the corpus is gone or changed, or its rows cannot be encoded as they were; the rows are marked
            answers, or pairs and more is asked for than their texts tell.
    """
    progress = progress or Silent()
    _refuse_unfit(run, unprompted=unprompted, learnability=learnability)
    rows, settings = reread_corpus(run), run.settings
    proxy, reader = find_proxy(settings.request, progress), detect_reader([], run.manifest["identity"]["format"])
    encoder = Encoder(proxy.tokenizer, max_length=settings.data.max_length)
    encoded = encode_corpus(rows, reader, encoder, progress)
    examples = without_contradictions(encoded, keep=settings.data.keep_contradictions).examples
    read = [reader.read(rows[example.row]) for example in examples]
    work, known = _Work(run, examples, proxy, progress), {} if is_of_pairs(run) else _known(run, examples, progress)
    if unprompted:
        known |= {name: work.feature(name) for name in _asked(known)}
    evidence = evidence_of(examples, read, known, summed=settings.gradients.loss == "sum")
    if learnability:
        evidence = replace(evidence, learnability=_gained(work.feature(_LEARNABILITY)))
    found = look_for(evidence, progress=progress)
    RunFolder(run.path).write_lines(SUSPECTS_FILE, _lines(found.listed, rows))
    return found


def _refuse_unfit(run: Run, *, unprompted: bool, learnability: bool) -> None:
    """Raise InputError for rows that no suspects are told of, and where the loss of an answer is asked of pairs."""
    refuse_marks(run, "spice suspects")
    asked = [flag for flag, given in (("--unprompted", unprompted), ("--learnability", learnability)) if given]
    if asked and is_of_pairs(run):
        raise InputError(
            f"{' '.join(asked)}: it goes by the loss of one answer, and {run.path} chose among preference pairs, which "
            "have two. Leave it out; or select again with --format chosen, and ask that run."
        )


def read_suspects(folder: Path) -> list[dict[str, Any]] | None:
    """The suspects that were written to a run's folder, a line each; None where they were not looked for.

    Raises OSError or ValueError where the file is damaged: nothing vouches for it.
    """
    path = folder / SUSPECTS_FILE
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="surrogatepass") as file:
        lines = [json.loads(line) for line in file]
    for number, line in enumerate(lines, start=1):
        if not (isinstance(line, dict) and line.keys() >= _READ and isinstance(line["record"], dict)):
            raise ValueError(f"line {number} is no suspect")
    return lines


_READ = {"row", "kind", "score", "reason", "partners", "record"}


def _known(run: Run, examples: Sequence[Sample], progress: Progress) -> dict[str, FeatureBlock]:
    """The features of a run that know losses; of what was interrupted, or was damaged since, nothing is taken."""
    blocks = {GRADIENTS: run.features} if run.manifest["parts"] else {}
    due = {example.row for example in examples}
    for name in (LOSSES, UNPROMPTED):
        store = feature_store(run.path, run.manifest["identity"], name)
        count = store.count()
        found = store.read(count) if count and not store.faults(count) else None
        if found is not None and due <= set(found.rows.tolist()):
            blocks[name] = found
        elif count:
            progress.note(f"{store.folder}: not whole, so nothing goes by it; --unprompted goes on with it.")
    return blocks


def _asked(known: Mapping[str, FeatureBlock]) -> list[str]:
    """The features that are due where the answers' losses without their questions are asked for."""
    return [name for name in (LOSSES, UNPROMPTED) if name not in known and (name == UNPROMPTED or not known)]


@dataclass(frozen=True)
class _Work:
    """What more there is to find out about a run's rows."""

    run: Run
    examples: Sequence[Sample]
    proxy: Proxy
    progress: Progress

    def feature(self, name: str) -> FeatureBlock:
        """A feature of every row in ascending order of their numbers, from the run's folder or computed into it."""
        run, identity = self.run, self.run.manifest["identity"]
        parts = parts_of_feature(name, run.path, identity, self.examples, run.settings, self.proxy, self.progress)
        return parts.store.read(parts.compute())


def _gained(block: FeatureBlock) -> NDArray[np.float64]:
    """Cold less warm loss of each row, float64 ``[n]``, NaN where it is none."""
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
