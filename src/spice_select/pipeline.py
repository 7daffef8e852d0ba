"""The way of the data on one screen: rows → examples → gradients → features → selection → run folder.

Every stage has one home; this file is their map and holds no method of its own.
"""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spice_select.data.encoding import Encoded
from spice_select.data.formats import MARKED, Format, PreferencePairs
from spice_select.data.opened import EncodedCorpus, OpenedCorpus
from spice_select.data.records import Drop, Row, Sample
from spice_select.data.samples import SamplesByRow
from spice_select.errors import InputError
from spice_select.executors import ProcessPlace
from spice_select.features.proxy import Proxy, find_proxy
from spice_select.methods.budget import Budget
from spice_select.progress import Progress, Silent
from spice_select.progress.clock import Clock
from spice_select.run import files as outputs
from spice_select.run.address import keep_address
from spice_select.run.exclusion import Exclusion
from spice_select.run.feasible import refuse_rows, refuse_settings
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder, open_run
from spice_select.run.identity import default_folder, identity_of, manifest_facts
from spice_select.run.origin import feature_store
from spice_select.run.pairs import refuse_few_prompts, refuse_kind_of_rows
from spice_select.run.settings import SelectSettings, write_config
from spice_select.run.summary import summarise
from spice_select.run.target import TargetRows, read_target, standing_in
from spice_select.run.worker import compute_share, wait_for_end, wait_for_run
from spice_select.schedules import SCHEDULES
from spice_select.schedules.interleaved.worker import follow
from spice_select.settings.places import place_text
from spice_select.store import atomic


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
    return run_select(
        place_text(corpus), SelectSettings.from_flat(settings), out=out, overwrite=overwrite, progress=progress
    )


def run_select(
    corpus: str,
    settings: SelectSettings,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    known: EncodedCorpus | None = None,
) -> Run:
    """`select` with the settings as one object; a corpus that is `known` by these settings is not read again."""
    refuse_settings(settings)
    progress, clock = progress or Silent(), Clock()
    budget = Budget.parse(settings.selection.budget)
    with clock("reading"):
        proxy = find_proxy(settings.request, progress)
        progress.note(f"Proxy: {proxy.identity.name} on {proxy.device}, {proxy.reason}")
    with clock("encoding"):
        known = known or _read(corpus, settings, proxy, progress)
        rows, row_format, encoder, encoded = known.rows, known.row_format, known.encoder, known.encoded
        settings = settings.settled(pairs=isinstance(row_format, PreferencePairs), marked=row_format is MARKED)
        target = read_target(settings, encoder, progress)
        leaving = _leaving(target, rows, encoded, row_format, progress)
        gone = {drop.row for drop in leaving}
        staying = [example for example in encoded.examples if example.row not in gone] if gone else encoded.examples
        refuse_rows(settings, [e.source for e in staying], [budget.cost(e) for e in staying])
        refuse_few_prompts(settings, staying)
    identity = identity_of(
        rows, settings, proxy, template_hash=encoder.template_hash, row_format=row_format.name, target=target
    )
    folder = default_folder(corpus, identity) if out is None else Path(out)
    place = ProcessPlace.of_environment()
    if place.rank > 0:
        wait_for_run(folder, identity)
        share = follow if settings.selection.schedule == "interleaved" else compute_share
        share(folder, identity, encoded.examples, settings, proxy, place)
        wait_for_end(folder)
        return Run(folder)
    reads = [corpus, settings.proxy.model, settings.gradients.adapter, *settings.target.target]
    with open_run(folder, identity, overwrite=overwrite, reads=reads) as run:
        keep_address(run.path, settings.engine.store)
        if run.finished and not _harmed(run):
            progress.note(f"{run.path} is finished already: nothing to do.")
        else:
            run.reopen()
            corpus_facts = _Corpus(corpus, rows, row_format, encoded, budget, known.notes, target, leaving)
            _fill(run, corpus_facts, settings, proxy, progress, clock)
            _write_page(Run(run.path), rows, progress)
        return Run(run.path)


def _read(corpus: str, settings: SelectSettings, proxy: Proxy, progress: Progress) -> EncodedCorpus:
    """Read and encode it, in sight of the person who waits. Raises InputError as `select`."""
    opened = OpenedCorpus.of(corpus, settings.data, progress, allow_network=settings.proxy.allow_network)
    refuse_kind_of_rows(settings, opened.row_format)
    for note in opened.notes:
        progress.note(note)
    return opened.encoded(proxy.tokenizer, settings.data, progress)


def _leaving(
    target: TargetRows | None,
    rows: Sequence[Row],
    encoded: Encoded[Sample],
    row_format: Format | PreferencePairs,
    progress: Progress,
) -> list[Drop]:
    """The usable rows that stand in the target too; pairs have none."""
    if target is None or isinstance(row_format, PreferencePairs):
        return []
    usable = {example.row for example in encoded.examples}
    return standing_in(target, [row for row in rows if row.number in usable], row_format, progress)


def _harmed(run: RunFolder) -> bool:
    """Whether features of a finished run are altered or missing; not if all are gone, which frees the disk."""
    store, manifest = feature_store(run.path, run.identity), run.manifest()
    if manifest is None or not store.count():
        return False
    return bool(store.faults(manifest["parts"])) or _target_harmed(Run(run.path))


def _target_harmed(run: Run) -> bool:
    """Whether what is known of the target is altered or missing; a moving proxy's is not made again by itself."""
    if run.settings.selection.schedule == "interleaved":
        return False
    try:
        run.target  # noqa: B018 - reads every part
    except InputError:
        return True
    return False


@dataclass(frozen=True)
class _Corpus:
    """A corpus that has been read and encoded."""

    name: str
    rows: Sequence[Row]
    row_format: Format | PreferencePairs
    encoded: Encoded[Sample]
    budget: Budget
    notes: list[str]
    target: TargetRows | None
    leaving: list[Drop]


def _fill(
    run: RunFolder, corpus: _Corpus, settings: SelectSettings, proxy: Proxy, progress: Progress, clock: Clock
) -> None:
    """Compute what an open run folder lacks, the manifest last."""
    with atomic(run.path / outputs.CONFIG) as aside:
        write_config(aside, _absolute(corpus.name), _anywhere(settings))
    schedule = SCHEDULES[settings.selection.schedule]
    examples = corpus.encoded.examples
    summed = settings.gradients.loss == "sum"
    exclusion = Exclusion(
        settings=settings.suspects, rows=corpus.rows, reader=corpus.row_format, summed=summed, progress=progress
    )
    outcome = schedule(
        run,
        SamplesByRow(examples),
        corpus.budget,
        settings,
        proxy,
        progress,
        clock,
        exclusion,
        target=corpus.target,
        leaving=corpus.leaving,
    )
    drops = [*corpus.encoded.drops, *outcome.unusable]
    with clock("writing"):
        encoded = outputs.write_selected(run, corpus.rows, outcome)
        outputs.write_dropped(run, corpus.rows, drops)
        outputs.write_selection(run, corpus.rows, outcome)
        further = (
            *outcome.outputs,
            *outputs.write_target(run, corpus.target),
            *outputs.write_copies(run, outcome.candidates),
        )
    summary = summarise(
        method=settings.selection.method,
        rows=len(corpus.rows),
        examples=examples,
        drops=drops,
        outcome=outcome,
        notes=[*corpus.notes, *encoded],
        seconds=clock.seconds,
        unit=corpus.budget.unit,
        in_pools=settings.selection.schedule != "global",
    )
    run.write_json(outputs.SUMMARY, summary.to_json())
    notes = {"stop": asdict(outcome.choice.stop), "stats": asdict(outcome.choice.stats)}
    if outcome.automatic:
        notes["automatic"] = {one.name: one.value for one in outcome.automatic}
    facts = manifest_facts(corpus.name, run.identity, parts=outcome.parts, notes=notes, seconds=clock.seconds)
    run.finish(facts, (*outputs.WRITTEN, *further))


def _write_page(run: Run, rows: Sequence[Row], progress: Progress) -> None:
    """Write the run's page. The run is finished, so whatever hinders the page is told and costs nothing else."""
    from spice_select.report import write_report

    try:
        write_report(run, rows=rows)
    except Exception as error:
        again = f"The run is finished; to try again: spice report {shlex.quote(str(run.path))}"
        progress.note(f"The page of the run could not be written ({type(error).__name__}: {error}). {again}")


def _anywhere(settings: SelectSettings) -> SelectSettings:
    """The settings with the target's files by their whole paths."""
    target = settings.target.model_copy(update={"target": tuple(_absolute(name) for name in settings.target.target)})
    return settings.model_copy(update={"target": target})


def _absolute(corpus: str) -> str:
    """A local corpus by its whole path, so that the config replays from any folder; a hub id as it is."""
    return str(Path(corpus).resolve()) if Path(corpus).exists() else corpus
