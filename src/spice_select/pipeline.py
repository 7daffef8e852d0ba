"""The way of the data on one screen: rows → examples → gradients → features → selection → run folder.

Every stage has one home; this file is their map and holds no method of its own.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spice_select import outputs
from spice_select.config import SelectionSettings, SelectSettings, read_config, write_config
from spice_select.corpus import read_corpus
from spice_select.data.budget import Budget
from spice_select.data.encode import Encoded, Encoder, encode_rows
from spice_select.data.formats import Format, detect_format
from spice_select.data.records import Drop, Row
from spice_select.diagnosis.certificate import certificate
from spice_select.diagnosis.checks import CheckResult, run_checks
from spice_select.diagnosis.versus_random import versus_random
from spice_select.errors import InputError
from spice_select.gradients.stage import compute_features
from spice_select.identity import default_folder, identity_of, manifest_facts
from spice_select.progress import Progress, Silent
from spice_select.proxy import Proxy, find_proxy
from spice_select.run import RunFolder, load_run, open_run
from spice_select.selection import Conflict, GainRatio, LogDet, Selection, greedy, pools
from spice_select.store import FeatureBlock, PartStore, atomic
from spice_select.summary import Summary, summarise

if TYPE_CHECKING:
    from datasets import Dataset

FEATURES = "gradients"
SUMMARY = "summary.json"
CONFIG = "config.yaml"
RANDOM_DRAWS = 10
_OUTPUTS = [outputs.SELECTED, outputs.DROPPED, outputs.SELECTION, SUMMARY, CONFIG]


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: its folder.
    """

    path: Path

    @property
    def summary(self) -> Summary:
        """The run in numbers."""
        return Summary.from_json(json.loads((self.path / SUMMARY).read_text(encoding="utf-8")))

    @property
    def manifest(self) -> dict[str, Any]:
        """Hashes, versions, seed and times."""
        return RunFolder(self.path).manifest() or {}

    @property
    def dataset(self) -> "Dataset":
        """The chosen rows in the order picked, each with its `spice` object (rank, gain, epsilon, conflict, row)."""
        from datasets import Dataset

        return Dataset.from_list(list(outputs.iterate_selected(self.path)))

    @property
    def settings(self) -> SelectSettings:
        """What was asked."""
        return read_config(self.path / CONFIG)[1]

    @cached_property
    def features(self) -> FeatureBlock:
        """The features of the usable rows: ``[n, d]`` float32 as sketched, and what belongs to each row."""
        return usable(PartStore(self.path / FEATURES).read(self.manifest["parts"]))[0]

    @property
    def matrix(self) -> NDArray[np.float32]:
        """The features as the selector saw them ``[n, d]``: normalised where the settings say so."""
        return normalised(self.features.features, self.settings.selection.normalise)

    @property
    def selection(self) -> Selection:
        """The ordered selection; indices are positions in `features`."""
        manifest = self.manifest
        return outputs.read_selection(self.path, self.features, manifest["stop"], manifest["stats"])


def load(path: str | Path) -> Run:
    """Open a finished run folder. Raises InputError when it is none, or unfinished."""
    return Run(load_run(Path(path)).path)


def select(
    corpus: str | Path,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Run:
    """Choose the part of an instruction corpus worth training on.

    Args:
        corpus: a JSONL (also .gz), JSON, Parquet or CSV file, a folder of them or of `datasets`, or a hub id.
        out: the run folder; by default ``runs/<corpus>-<hash of what was asked>``. A folder of an interrupted run is
            resumed, that of a finished run is returned as it is.
        overwrite: throw away what a different run left in `out`.
        progress: shown how far the work is; silent by default.
        **settings: any setting of `spice_select.SelectSettings` by name, e.g.
            ``budget=0.1, model="Qwen/Qwen2.5-0.5B"``.

    Returns:
        The finished run: `.dataset`, `.selection`, `.summary`, `.features`.

    Raises:
        InputError: anything that the caller can mend; nothing was written over.
    """
    return run_select(str(corpus), SelectSettings.from_flat(settings), out=out, overwrite=overwrite, progress=progress)


def run_select(
    corpus: str,
    settings: SelectSettings,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Run:
    """`select` with the settings as one object."""
    progress, clock = progress or Silent(), _Clock()
    budget = Budget.parse(settings.selection.budget)
    with clock("reading"):
        rows = read_corpus(corpus, settings)
        row_format = detect_format(rows, settings.data.format)
        progress.note(f"{corpus}: {len(rows):,} rows, {row_format.describe()}")
        proxy = find_proxy(settings)
        progress.note(f"Proxy: {proxy.identity.name} on {proxy.device}, {proxy.reason}")
    with clock("encoding"):
        encoder = Encoder(proxy.tokenizer, max_length=settings.data.max_length)
        encoded = _encode(rows, row_format, encoder, progress)
        budget.rows(len(encoded.examples))
    identity = identity_of(rows, settings, proxy, template_hash=encoder.template_hash, row_format=row_format.name)
    folder = default_folder(corpus, identity) if out is None else Path(out)
    with open_run(folder, identity, overwrite=overwrite) as run:
        if run.finished:
            progress.note(f"{run.path} is finished already: nothing to do.")
        else:
            corpus_facts = _Corpus(corpus, rows, encoded, budget, identity, list(encoder.notes))
            _fill(run, corpus_facts, settings, proxy, progress, clock)
        return Run(run.path)


@dataclass(frozen=True)
class _Corpus:
    """A corpus that has been read and encoded."""

    name: str
    rows: list[Row]
    encoded: Encoded
    budget: Budget
    identity: dict[str, Any]
    notes: list[str]


def _fill(
    run: RunFolder, corpus: _Corpus, settings: SelectSettings, proxy: Proxy, progress: Progress, clock: "_Clock"
) -> None:
    """Compute what an open run folder lacks, the manifest last."""
    store, examples = PartStore(run.path / FEATURES), corpus.encoded.examples
    with atomic(run.path / CONFIG) as aside:
        write_config(aside, corpus.name, settings)
    with clock("gradients"):
        parts, block = compute_features(
            examples,
            lambda: proxy.open_engine(settings, progress),
            store,
            batch_tokens=settings.gradients.batch_tokens,
            progress=progress,
        )
        features, unusable = usable(block)
    drops = [*corpus.encoded.drops, *unusable]
    _refuse_empty(corpus.rows, drops)
    with clock("selection"):
        k = corpus.budget.rows(len(features.rows))
        matrix = normalised(features.features, settings.selection.normalise)
        objective = LogDet(alpha=settings.selection.alpha)
        chosen = choose(matrix, k, settings.selection)
    with clock("judging"):
        versus = versus_random(matrix, chosen, objective, draws=RANDOM_DRAWS, seed=settings.selection.seed)
        proof = certificate(matrix, chosen, objective)
    with clock("writing"):
        outputs.write_selected(run, corpus.rows, features, chosen)
        outputs.write_dropped(run, corpus.rows, drops)
        outputs.write_selection(run, {example.row: example for example in examples}, features, chosen)
    summary = summarise(
        rows=len(corpus.rows),
        examples=examples,
        drops=drops,
        features=features,
        selection=chosen,
        versus=versus,
        certificate=proof,
        notes=corpus.notes,
        seconds=clock.seconds,
    )
    run.write_json(SUMMARY, summary.to_json())
    notes = {"stop": asdict(chosen.stop), "stats": asdict(chosen.stats)}
    facts = manifest_facts(corpus.name, corpus.identity, parts=parts, notes=notes, seconds=clock.seconds)
    run.finish(facts, _OUTPUTS)


def check_run(path: str | Path, *, seed: int = 0) -> list[CheckResult]:
    """The sceptic's questions, asked of a finished run's own gradients: see `spice_select.diagnosis.run_checks`."""
    run = load(path)
    objective = LogDet(alpha=run.settings.selection.alpha)
    return run_checks(run.matrix, run.selection, objective, seed=seed)


def choose(matrix: NDArray[np.float32], k: int, settings: SelectionSettings) -> Selection:
    """Run the selector that the settings describe on a feature matrix ``[n, d]``."""
    options: dict[str, Any] = {"objective": LogDet(alpha=settings.alpha)}
    if settings.conflict_weight:
        options["penalty"] = Conflict(weight=settings.conflict_weight)
    if settings.stop_ratio is not None:
        options["stop"] = GainRatio(settings.stop_ratio)
    if settings.schedule == "pools":
        return pools(matrix, k, pool_size=settings.pool_size, seed=settings.seed, **options)
    return greedy(matrix, k, **options)


def normalised(matrix: NDArray[np.float32], rule: str) -> NDArray[np.float32]:
    """The matrix as the selector sees it: as it is, or with rows of length one (zero rows stay zero)."""
    if rule == "none":
        return matrix
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=1, keepdims=True)
    return np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0)


def usable(block: FeatureBlock) -> tuple[FeatureBlock, list[Drop]]:
    """Split off the rows whose loss or gradient is not a number."""
    bad = np.flatnonzero(~block.finite)
    drops = [
        Drop(int(block.rows[i]), "non-finite", f"loss {block.losses[i]} or its gradient is not a finite number")
        for i in bad
    ]
    return (block.take(block.finite) if len(bad) else block), drops


def _encode(rows: list[Row], row_format: Format, encoder: Encoder, progress: Progress) -> Encoded:
    with progress.task("Encoding", len(rows), "rows") as advance:
        told = 0

        def tell(done: int, _total: int) -> None:
            nonlocal told
            advance(done - told)
            told = done

        return encode_rows(rows, row_format, encoder, tell)


def _refuse_empty(rows: list[Row], drops: list[Drop]) -> None:
    """If the gradients failed on every row that was left there is nothing to choose from."""
    if len(drops) == len(rows):
        raise InputError(
            f"none of the {len(rows)} rows can be used: the model's loss is not a finite number on any of them. "
            "The weights may be damaged, or the precision too low: try --dtype float32, or another --model."
        )


class _Clock:
    """Seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
