"""The way of a comparison on one screen: sample → gradients with either model → the same share chosen with each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.agreement.chance import chance_overlap
from spice_select.agreement.result import SourceShares, Transfer
from spice_select.agreement.samples import features_of_sample, for_model, own_features, reseeded_features
from spice_select.agreement.settings import LEAST_ROWS, TransferSettings
from spice_select.agreement.targets import shared, split_off, target_examples
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_reader
from spice_select.data.records import Row, Sample
from spice_select.diagnosis.alignment import alignment, cosine_correlation, cosines
from spice_select.errors import InputError
from spice_select.features.proxy import Proxy, find_proxy
from spice_select.features.row_weights import ROW_WEIGHTS, row_scales
from spice_select.methods import METHODS, Candidates
from spice_select.methods.budget import Allowance, Budget
from spice_select.methods.target import TargetSet
from spice_select.models.family import family_of, kinship
from spice_select.models.recorded import changed_since
from spice_select.numerics.ranks import spearman
from spice_select.progress import Progress, Silent
from spice_select.run import files as outputs
from spice_select.run.corpus import reread_corpus
from spice_select.run.finished import Run, load
from spice_select.run.folder import RunFolder
from spice_select.run.pairs import is_of_pairs, refuse_marks
from spice_select.run.settings import SelectSettings
from spice_select.settings.counted import counted
from spice_select.store import FeatureBlock


def transfer(
    run: str | Path | Run,
    *,
    model: str | Path | None,
    progress: Progress | None = None,
    **settings: Any,
) -> Transfer:
    """Measure how far a run's model and another one would choose the same rows.

    On a seeded sample of the rows that the run could choose from, both models' gradients are taken under the run's
    settings, each model with its own chat template; the run's own are read from its folder, those of a target's rows
    likewise. The same share is chosen
    with each by the run's criterion (global greedy; no quotas, no early stop), and the picks and gradients compared.

    Args:
        run: a finished run, or its folder.
        model: the other model: a directory, GGUF file or hub id; None is the embedded one.
        progress: shown how far the work is; silent by default.
        **settings: any of `TransferSettings` by name, e.g. ``sample=200, share="10%", ceiling=True``, or how the other
            model is opened: ``device="cuda"``.

    Returns:
        The agreement, with its verdict as `sentence`.

    Raises:
        InputError: the run is unfinished, its corpus was changed, the model cannot be used, the sample is too small,
            or the run's own model is asked for again and is no longer what it was.
    """
    return run_transfer(run, model, TransferSettings.from_flat(settings), progress=progress)


def run_transfer(
    run: str | Path | Run, model: str | Path | None, settings: TransferSettings, progress: Progress | None = None
) -> Transfer:
    """As `transfer`, with the settings in hand."""
    progress = progress or Silent()
    run = run if isinstance(run, Run) else load(run)
    refuse_marks(run, "spice transfer")
    _refuse_method(run)
    other = for_model(run.settings, model, settings)
    own = find_proxy(run.settings.request, progress)
    changed = _hold_to_record(run, own, again=settings.ceiling or run.settings.selection.schedule == "interleaved")
    pair = _encoded_pair(run, own, other, settings, progress)
    k = _picks(run, len(pair.theirs), settings.share)
    again, size, moved = settings.ceiling, len(pair.ours), run.settings.selection.schedule == "interleaved"
    aims = target_examples(run, own, progress) if again or moved else []
    ours, our_target, notes = own_features(run, pair.ours, aims, progress)
    seen = [*pair.theirs, *target_examples(run, pair.proxy, progress)]
    theirs, their_target = split_off(run, features_of_sample(other, pair.proxy.identity.name, seen, progress), size)
    reseeded = split_off(run, reseeded_features(run.settings, [*pair.ours, *aims], progress), size) if again else None
    targets, told = shared([our_target, their_target, None if reseeded is None else reseeded[1]])
    both = ours.finite & theirs.finite
    _refuse_few_finite(ours.finite, theirs.finite, pair.proxy.identity.name)
    if not both.all():
        notes = (
            *notes,
            f"{counted(int((~both).sum()), 'row has', 'rows have')} no finite gradient under one of the models; left "
            "out.",
        )
    blocks = [ours, theirs] if reseeded is None else [ours, theirs, reseeded[0]]
    sides = [_Side(block.take(both), target) for block, target in zip(blocks, targets, strict=False)]
    examples = [example for example, good in zip(pair.theirs, both, strict=True) if good]
    if is_of_pairs(run):
        notes = (*notes, "The rows are preference pairs: in place of losses their margins are compared (mean token).")
    return _compare(run, pair, sides, examples, min(k, len(examples)), (*changed, *pair.notes, *notes, *told))


def _refuse_few_finite(own: NDArray[np.bool_], theirs: NDArray[np.bool_], other: str) -> None:
    """Refuse a sample of which hardly a row has a gradient under both models, and say under which."""
    both = own & theirs
    if both.sum() >= LEAST_ROWS:
        return
    sides = {f"model {other}": theirs, "the run's model": own, f"model {other} and the run's both": both}
    whose, finite = next((name, side) for name, side in sides.items() if side.sum() < LEAST_ROWS)
    raise InputError(
        f"{whose}: only {finite.sum()} of {len(own)} rows of the sample have a gradient that is a finite number, too "
        "few to compare. The weights may be damaged, or the precision too low: try --dtype float32, or another model."
    )


def _refuse_method(run: Run) -> None:
    name = run.settings.selection.method
    method = METHODS[name]
    if method.in_loop:
        raise InputError(
            f"{run.path} was chosen by --method {name}, which lives on the training of its proxy: what it would "
            "choose with another takes a run of its own. Compare a run of another method."
        )
    if method.draws:
        raise InputError(
            f"{run.path} was drawn by --method {name}, whose draws of one seed agree whatever the models are. "
            "Compare a run of a method that chooses."
        )


@dataclass(frozen=True, eq=False)
class _Side:
    """What one model knows: of the sample's rows, and of the run's target where it has one."""

    block: FeatureBlock
    target: TargetSet | None


@dataclass(frozen=True)
class _Pair:
    """The sample under both models: the same rows in the same order."""

    ours: list[Sample]
    theirs: list[Sample]
    proxy: Proxy
    kinship: str
    notes: tuple[str, ...]


def _hold_to_record(run: Run, own: Proxy, *, again: bool) -> tuple[str, ...]:
    """A run's own model is found by its path, where another may lie by now.

    Args:
        run: the run.
        own: what lies there.
        again: whether gradients of it are taken anew, beside those that the run kept.

    Raises:
        InputError: they are, and it is no longer what the run chose with.
    """
    change = changed_since(own.identity, run.manifest["identity"])
    if change is None:
        return ()
    if again:
        raise InputError(
            f"model {own.identity.name}: it is no longer the one that {run.path} chose with; {change}. Gradients of it "
            "would be another model's. Put the old files back, or compare without --ceiling where the run's proxy "
            "stood still: its own gradients are read from its folder."
        )
    return (f"The run's own model is no longer the one it chose with; its gradients are those that it kept. {change}.",)


def _encoded_pair(run: Run, own: Proxy, other: SelectSettings, settings: TransferSettings, progress: Progress) -> _Pair:
    usable = np.setdiff1d(run.features.rows, sorted(outputs.read_dropped(RunFolder(run.path))))
    random, size = np.random.default_rng(settings.seed), min(settings.sample, len(usable))
    drawn = np.sort(random.choice(usable, size, replace=False))
    corpus = reread_corpus(run, allow_network=other.proxy.allow_network)
    rows = [corpus[int(number)] for number in drawn]
    proxy = find_proxy(other.request, progress)
    ours = _encode(run, rows, own)
    theirs = _encode(run, rows, proxy)
    shared = sorted(ours.keys() & theirs.keys())
    if len(shared) < LEAST_ROWS:
        raise InputError(
            f"only {len(shared)} of {len(rows)} rows can be encoded under both models' templates: too few to compare. "
            "Look at them with `spice preview CORPUS --model …`, or give a larger --sample."
        )
    lost = len(rows) - len(shared)
    notes = (f"{counted(lost, 'row')} of the sample cannot be encoded under both templates; left out.",) if lost else ()
    return _Pair(
        ours=[ours[number] for number in shared],
        theirs=[theirs[number] for number in shared],
        proxy=proxy,
        kinship=_kinship(run.settings, other),
        notes=notes,
    )


def _encode(run: Run, rows: Sequence[Row], proxy: Proxy) -> dict[int, Sample]:
    encoder = Encoder(proxy.tokenizer, max_length=run.settings.data.max_length)
    encoded = encode_rows(rows, detect_reader([], run.manifest["identity"]["format"]), encoder)
    return {example.row: example for example in encoded.examples}


def _kinship(own: SelectSettings, other: SelectSettings) -> str:
    left, right = (family_of(settings.proxy.model, **settings.proxy.keywords()) for settings in (own, other))
    return kinship(left, right).sentence


def _picks(run: Run, n: int, share: str | None) -> int:
    """How many of n rows to choose."""
    if share is not None:
        if (asked := Budget.parse(share).rows(n)) >= n:
            raise InputError(
                f"--share {share}: each model would choose the whole sample of {counted(n, 'row')}, and any two agree. "
                "Give a smaller --share, e.g. 10%."
            )
        return asked
    summary = run.summary
    k = max(1, round(n * summary.chosen / summary.usable))
    if k >= n:
        raise InputError(
            f"{run.path} chose {summary.chosen} of {summary.usable} rows, so each model would choose the whole sample, "
            "and any two agree. Give a smaller --share, e.g. 10%."
        )
    return k


def _choose(side: _Side, k: int, settings: SelectSettings) -> set[int]:
    """Positions that the run's criterion picks: one global greedy."""
    method = METHODS[settings.selection.method].of({**settings.flat(), "stop_ratio": None, "carry_state": False})
    candidates = _candidates(side, settings)
    seed = settings.selection.seed
    return set(method.choose(candidates, Allowance(rows=k), seed=seed, progress=Silent()).indices.tolist())


def _candidates(side: _Side, settings: SelectSettings) -> Candidates:
    """The sample's rows as the run's method would see them; weights are by the lengths in the sample."""
    chosen, block = settings.selection, side.block
    scales = row_scales(ROW_WEIGHTS[chosen.row_weight], block.supervised, block.supervised, block)
    return Candidates.of_gradients(block, normalise=chosen.normalise, scales=scales, target=side.target)


def _compare(
    run: Run,
    pair: _Pair,
    sides: Sequence[_Side],
    examples: Sequence[Sample],
    k: int,
    notes: tuple[str, ...],
) -> Transfer:
    """Of the run's model, the other one and, where a ceiling is asked for, the run's under another seed."""
    own, other, *again = (_choose(side, k, run.settings) for side in sides)
    ours, theirs = sides[0].block, sides[1].block
    overlap = len(own & other)
    left, right = cosines(ours.features), cosines(theirs.features)
    return Transfer(
        run=str(run.path),
        ours=run.manifest["identity"]["model"],
        theirs=pair.proxy.identity.name,
        kinship=pair.kinship,
        rows=len(examples),
        picks=k,
        overlap=overlap,
        chance=chance_overlap(len(examples), k, overlap),
        ceiling=len(own & again[0]) if again else None,
        jaccard=overlap / len(own | other),
        norms=spearman(ours.norms, theirs.norms),
        losses=spearman(_told(ours), _told(theirs)),
        base_gains=spearman(_bases(sides[0], run.settings), _bases(sides[1], run.settings)),
        cosines=cosine_correlation(left, right),
        alignment=alignment(left, right),
        sources=_sources(examples, own, other),
        notes=notes,
    )


def _told(block: FeatureBlock) -> NDArray[np.float64]:
    """The loss of each row; of pairs, whose losses are all alike at the reference, the margin of the mean token."""
    told: NDArray[np.float64] = block["loss" if "loss" in block.columns else "margin_mean"]
    return told


def _bases(side: _Side, settings: SelectSettings) -> NDArray[np.float64]:
    """log(1 + α‖g‖²) of the features as the selector sees them, float64 ``[n]``; all the same for unit rows."""
    candidates = _candidates(side, settings)
    if candidates.normalise == "unit" and candidates.scales is None:
        return np.zeros(len(candidates))
    return np.log1p(settings.spice.scale * candidates.matrix.squares)


def _sources(examples: Sequence[Sample], own: set[int], other: set[int]) -> tuple[SourceShares, ...]:
    names = sorted({example.source for example in examples})
    if names == [""]:
        return ()
    members = {name: {i for i, example in enumerate(examples) if example.source == name} for name in names}
    return tuple(
        SourceShares(source=name or "(none)", rows=len(found), ours=len(found & own), theirs=len(found & other))
        for name, found in members.items()
    )
