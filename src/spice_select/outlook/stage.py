"""The way of a look ahead on one screen: pool → texts, and a sample → gradients → what picks explain → the case."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.data.formats import MARKED, Format, PreferencePairs
from spice_select.data.opened import OpenedCorpus
from spice_select.data.records import Example, Row, Sample
from spice_select.diagnosis.common_direction import common_share, drawn_alignment, random_alignment
from spice_select.errors import InputError
from spice_select.features import FEATURES, Feature, FeatureRequest, Gradients, usable_together
from spice_select.features.proxy import Proxy, find_proxy
from spice_select.features.stage import features_in_memory
from spice_select.methods import Candidates
from spice_select.methods.base import GRADIENTS
from spice_select.methods.budget import Budget
from spice_select.methods.stratified import drawn_in_proportion
from spice_select.outlook.advice import next_commands, verdict_sentence
from spice_select.outlook.cases import decide
from spice_select.outlook.explaining import CHANCE_DRAWS, explaining
from spice_select.outlook.mismatches import Mismatches
from spice_select.outlook.pairs import pair_sentence
from spice_select.outlook.result import Headroom
from spice_select.outlook.settings import LEAST_POOL, HeadroomSettings
from spice_select.outlook.texts import MOST_TEXTS, Texts, look_at_texts
from spice_select.progress import Progress, Silent
from spice_select.run.aims import Aims
from spice_select.run.exclusion import UNPROMPTED, evidence_of
from spice_select.run.pairs import refuse_kind_of_rows
from spice_select.run.target import TargetRows, read_target, standing_in
from spice_select.settings.counted import counted
from spice_select.settings.places import place_text
from spice_select.store import FeatureBlock


def headroom(
    pool: str | Path,
    target: str | Path | Sequence[str | Path] | None = None,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> Headroom:
    """Measure on a sample what a choice could gain on a pool, before hours are spent.

    Args:
        pool: as `spice_select.select` takes a corpus.
        target: files of rows of what matters, as `--target`; half of them choose, the other half judges.
        progress: shown how far the work is; silent by default.
        **settings: any of `HeadroomSettings` by name, e.g. ``budget="5%", sample=500, model="Qwen/Qwen2.5-0.5B"``.

    Returns:
        The numbers, with `.verdict` (``targeted``, ``noisy``, ``redundant`` or ``none``), all `.cases` that hold, the
        `.sentence` and the `.commands` to run next.

    Raises:
        InputError: fewer than `LEAST_POOL` rows can be used, the budget is all of them, a target of which half cannot
            be held out, or as `spice_select.select`.
    """
    if target is not None:
        settings["target"] = target
    return run_headroom(place_text(pool), HeadroomSettings.from_flat(settings), progress=progress)


def run_headroom(pool: str, settings: HeadroomSettings, progress: Progress | None = None) -> Headroom:
    """`headroom` with the settings as one object."""
    progress = progress or Silent()
    met = _read(pool, settings, progress)
    share = met.picks / len(met.examples)
    texts = look_at_texts(met.examples, met.rows, met.row_format, seed=settings.look.seed, progress=progress)
    sample = _drawn(met.examples, settings.look.sample, settings.look.seed)
    progress.note(f"Sample: {len(sample):,} of {len(met.examples):,} usable rows, by source and length")
    known = _measured(met, sample, settings, progress)
    candidates, aims = known.candidates, known.aims
    choosing, judging = (None, None) if aims is None else (aims.choosing, aims.judging)
    with progress.task("Explaining", 1, "step") as advance:
        matrix, seed = candidates.matrix, settings.look.seed
        common = common_share(matrix)
        seen = explaining(matrix, share, choosing, judging, seed=seed)
        drawn = drawn_alignment(matrix, max(1, round(share * len(candidates))), draws=CHANCE_DRAWS, seed=seed)
        advance(1)
    alignment = random_alignment(common, met.picks)
    cases = decide(
        pool=seen.pool,
        tasks=seen.tasks,
        mismatches=known.mismatches,
        repeated=texts.repeated,
        looked_at=texts.rows,
        pairs=met.of_pairs,
    )
    return Headroom(
        pool=pool,
        target=settings.look.target,
        model=met.proxy.identity.name,
        rows=len(met.examples),
        sampled=len(candidates),
        picks=met.picks,
        common=common,
        alignment=alignment,
        drawn=drawn,
        texts=texts,
        mismatches=known.mismatches,
        explained=seen.pool,
        tried=seen.picks,
        tasks=tuple(seen.tasks),
        likeness=seen.likeness,
        cases=cases,
        sentence=verdict_sentence(
            cases, alignment=alignment, tasks=seen.tasks, likeness=seen.likeness, pairs=met.of_pairs
        ),
        commands=next_commands(pool, settings, cases, pairs=met.of_pairs),
        notes=(*met.notes, *known.notes, *_limits(met, texts, known, aims)),
    )


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """A pool that has been read and encoded; `examples` are the usable rows that do not stand in the target."""

    rows: Sequence[Row]
    row_format: Format | PreferencePairs
    examples: Sequence[Sample]
    picks: int
    target: TargetRows | None
    proxy: Proxy
    notes: Sequence[str]

    @property
    def of_pairs(self) -> bool:
        """Whether its rows are preference pairs."""
        return isinstance(self.row_format, PreferencePairs)


def _read(pool: str, settings: HeadroomSettings, progress: Progress) -> _Pool:
    asked = settings.selection
    opened = OpenedCorpus.of(pool, asked.data, progress, allow_network=asked.proxy.allow_network)
    row_format = opened.row_format
    if row_format is MARKED:
        raise InputError(
            f"{pool}: answers marked good or bad, at which nobody looks ahead. Give --format prompt/completion, say, "
            "to look at the good ones as answers to learn."
        )
    refuse_kind_of_rows(asked, row_format)
    proxy = find_proxy(asked.request, progress)
    progress.note(f"Proxy: {proxy.identity.name} on {proxy.device}, {proxy.reason}")
    read = opened.encoded(proxy.tokenizer, asked.data, progress)
    target = read_target(asked, read.encoder, progress)
    encoded, examples, notes = read.encoded, read.encoded.examples, [*read.notes]
    if encoded.drops:
        reasons = ", ".join(f"{count} {reason}" for reason, count in encoded.reasons.items())
        notes.append(f"{counted(len(encoded.drops), 'row')} cannot be used: {reasons}.")
    if target is not None and not isinstance(row_format, PreferencePairs):
        usable = {example.row for example in examples}
        leaving = standing_in(target, [row for row in read.rows if row.number in usable], row_format, progress)
        gone = {drop.row for drop in leaving}
        examples = [example for example in examples if example.row not in gone]
        if leaving:
            notes.append(
                f"{counted(len(leaving), 'row of the pool stands', 'rows of the pool stand')} in the target too; "
                "left out."
            )
    _refuse_small(pool, len(examples))
    return _Pool(
        rows=read.rows,
        row_format=row_format,
        examples=examples,
        picks=_picks_of(settings, examples),
        target=target,
        proxy=proxy,
        notes=notes,
    )


def _refuse_small(pool: str, rows: int) -> None:
    if rows < LEAST_POOL:
        raise InputError(
            f"{pool}: {rows} usable rows, too few to look ahead by: {LEAST_POOL} are needed. Train on all of them, or "
            "give a larger pool."
        )


def _picks_of(settings: HeadroomSettings, examples: Sequence[Sample]) -> int:
    """How many rows the budget is; a budget in tokens is as many rows of mean length."""
    budget = Budget.parse(settings.look.budget)
    tokens = [budget.cost(example) for example in examples]
    budget.check(len(tokens), sum(tokens))
    picks = (
        budget.rows(len(tokens)) if budget.tokens is None else max(1, round(len(tokens) * budget.tokens / sum(tokens)))
    )
    if picks >= len(tokens):
        raise InputError(f"--budget {budget}: that is every usable row, so there is nothing to choose. Give less.")
    return picks


def _drawn(examples: Sequence[Sample], size: int, seed: int) -> list[Sample]:
    """So many of the rows, in proportion to source and length and in their order; all where there are no more."""
    if len(examples) <= size:
        return list(examples)
    return [examples[int(place)] for place in drawn_in_proportion(examples, size, seed=(seed, 8))]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Known:
    """What the proxy told of the sample and of the target."""

    candidates: Candidates
    aims: Aims | None
    mismatches: Mismatches | None
    notes: Sequence[str]


def _measured(met: _Pool, sample: Sequence[Sample], settings: HeadroomSettings, progress: Progress) -> _Known:
    """Gradients of the sample and the target, and the losses of the sample's answers alone, which pairs have none of.

    A warm-up draws from the sample; its adapter is kept for the second pass, in a folder that goes again.
    """
    asked, alone = settings.selection, None
    answers = [example for example in sample if isinstance(example, Example)]
    with tempfile.TemporaryDirectory(prefix="spice-headroom-") as folder:
        request = FeatureRequest(
            proxy=asked.request,
            model=met.proxy.identity.name,
            examples=sample,
            folder=Path(folder),
            origin="headroom",
            progress=progress,
        )
        tokens = met.proxy.batch_tokens(asked.gradients)
        block, aims = _gradients(met, sample, request, tokens, progress)
        if answers:
            unprompted = FEATURES[UNPROMPTED].of(request)
            alone = _computed_of(unprompted, answers, tokens, progress, "Losses of the answers alone")
    blocks, unusable = usable_together({GRADIENTS: block})
    _refuse_small("the sample", len(blocks[GRADIENTS].rows))
    by_row = {example.row: example for example in sample}
    known = [by_row[int(row)] for row in blocks[GRADIENTS].rows]
    candidates = Candidates.of_gradients(blocks[GRADIENTS], normalise="unit", examples=known)
    notes = (
        [f"{counted(len(unusable), 'row of the sample has', 'rows of the sample have')} no finite gradient; left out."]
        if unusable
        else []
    )
    if alone is None:
        return _Known(candidates=candidates, aims=aims, mismatches=None, notes=[*notes, pair_sentence(candidates)])
    summed = asked.gradients.loss == "sum"
    return _Known(
        candidates=candidates, aims=aims, mismatches=_mismatches(met, answers, block, alone, summed), notes=notes
    )


def _mismatches(
    met: _Pool, answers: Sequence[Example], block: FeatureBlock, alone: FeatureBlock, summed: bool
) -> Mismatches:
    assert not isinstance(met.row_format, PreferencePairs), "pairs have no one answer"
    read = [met.row_format.read(met.rows[example.row]) for example in answers]
    evidence = evidence_of(answers, read, {GRADIENTS: block, UNPROMPTED: alone}, summed=summed)
    assert evidence.losses is not None, "gradients know losses"
    assert evidence.unprompted is not None, "they were just taken"
    return Mismatches.of(evidence.losses, evidence.unprompted, evidence.supervised)


def _gradients(
    met: _Pool, sample: Sequence[Sample], request: FeatureRequest, tokens: int, progress: Progress
) -> tuple[FeatureBlock, Aims | None]:
    feature = Gradients.of(request)
    block = _computed_of(feature, sample, tokens, progress, "Gradients of the sample")
    if met.target is None:
        return block, None
    beside = feature.beside(met.target.examples)
    own = _computed_of(beside, met.target.examples, tokens, progress, "Gradients of the target")
    return block, Aims.of(met.target, {GRADIENTS: own}, normalise="unit")


def _computed_of(
    feature: Feature, examples: Sequence[Sample], tokens: int, progress: Progress, name: str
) -> FeatureBlock:
    compute = feature.open()
    with progress.task(name, sum(example.num_tokens for example in examples), "tokens") as advance:
        return features_in_memory(compute, examples, batch_tokens=tokens, advance=advance)


def _limits(met: _Pool, texts: Texts, known: _Known, aims: Aims | None) -> list[str]:
    """What the numbers do not say."""
    notes = [] if aims is None else list(aims.notes)
    if texts.rows < len(met.examples):
        notes.append(
            f"Repeats were looked for among {MOST_TEXTS:,} drawn rows: in the whole pool more rows meet their copies."
        )
    if known.mismatches is not None and not known.mismatches.telling:
        notes.append(
            f"Whether answers belong to their questions was not judged: to this proxy a question saves "
            f"{known.mismatches.saved:.2f} nats a token at the upper quartile, too little to tell. Try another --model."
        )
    return notes
