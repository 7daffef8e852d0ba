"""Selection with a proxy that stands still: what the method must know of all rows first, then one choice from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spice_select.data.records import Drop, Sample
from spice_select.data.samples import PickedSamples, in_order
from spice_select.diagnosis.certificates import Certificate, certificate
from spice_select.diagnosis.curvature import Curvature, curvature
from spice_select.diagnosis.versus_random import RANDOM_DRAWS, RandomComparison, versus_random
from spice_select.executors import executor_elsewhere, executor_for
from spice_select.features import Gradients, usable_together
from spice_select.features.proxy import Proxy
from spice_select.features.stage import FeatureParts
from spice_select.gradients.fidelity import Fidelity
from spice_select.methods import METHODS, Budget, Candidates, Choice, Method
from spice_select.methods.base import GRADIENTS
from spice_select.methods.budget import Allowance
from spice_select.methods.pool_shares import PoolChooser, refuse_no_choice, shares_of, windows_of
from spice_select.methods.quotas import check_quotas, quotas_of
from spice_select.methods.ranked import used_up
from spice_select.methods.worth import with_worth
from spice_select.progress import Progress
from spice_select.progress.clock import Clock
from spice_select.run.aims import Aims
from spice_select.run.exclusion import Excluded, Exclusion, all_gone, evidence_features, without
from spice_select.run.folder import RunFolder
from spice_select.run.job import RunJob
from spice_select.run.outcome import Judgement, Outcome, refuse_empty
from spice_select.run.parts import parts_of_feature, parts_of_target
from spice_select.run.reuse import reuse_parts, reuse_target
from spice_select.run.settings import SelectSettings
from spice_select.run.shards import on_shards, shard_notes
from spice_select.run.sketch_check import checked_sketch
from spice_select.run.target import TargetRows
from spice_select.schedules.automatic import with_numbers
from spice_select.schedules.candidates import candidates_of
from spice_select.schedules.joined import joined, stop_of_pools
from spice_select.selection import LogDet, Quota
from spice_select.selection.paths.blocked.threads import single_threaded_blas
from spice_select.store import FeatureBlock


def choose_static(
    run: RunFolder,
    examples: Mapping[int, Sample],
    budget: Budget,
    settings: SelectSettings,
    proxy: Proxy,
    progress: Progress,
    clock: Clock,
    exclusion: Exclusion | None = None,
    *,
    target: TargetRows | None = None,
    leaving: Sequence[Drop] = (),
) -> Outcome:
    """What the method needs, of every example at the proxy as it came, and the choice from those not excluded.

    Features are of all examples, also of those `leaving` the pool, so that runs share them whatever their target is.

    Raises:
        InputError: no row has a finite gradient, or as `Method.choose`.
    """
    method = METHODS[settings.selection.method].of(settings.flat())
    known = _computed(method.needs(), run, examples, settings, proxy, progress, clock)
    told = evidence_features(settings.suspects, method.needs())
    beside = _computed(told, run, examples, settings, proxy, progress, clock).blocks if told else {}
    excluded = exclusion.found(examples, {**known.blocks, **beside}) if exclusion else Excluded()
    aims = None if target is None else _aims(target, known.made, method, run, settings, progress, clock)
    gone = all_gone(leaving, excluded)
    candidates = candidates_of(examples, known.blocks, settings, None if aims is None else aims.choosing)
    candidates = without(candidates, gone)
    with clock("selection"):
        settings, automatic = with_numbers(settings, candidates, budget, choose_from, progress)
        method = METHODS[settings.selection.method].of(settings.flat())
        candidates = method.prepared(candidates, progress)
        with on_shards(candidates, run.path, settings.spice.select_shards, settings.engine) as there:
            choice = choose_from(method, there, budget, settings, progress)
    judged = None
    if GRADIENTS in known.blocks:
        with clock("judging"):
            versus, proof, bent = _judged(candidates, choice, budget, settings, progress)
            reached = () if aims is None else aims.reached(candidates, choice, settings)
        judged = Judgement(
            versus=versus,
            certificate=proof,
            curvature=bent,
            fidelity=known.fidelity,
            target=reached,
            held_out=aims is not None and aims.held_out,
        )
    broken = {drop.row for drop in known.unusable}
    return Outcome(
        candidates=candidates,
        choice=choice,
        judged=judged,
        unusable=[*known.unusable, *(drop for drop in gone if drop.row not in broken)],
        parts=known.parts,
        notes=[
            *method.notes(candidates, choice),
            *shard_notes(there, choice),
            *excluded.notes,
            *(() if aims is None else aims.notes),
        ],
        nearest=aims.nearest(candidates, choice) if aims is not None and judged is not None else None,
        automatic=automatic,
    )


@dataclass(frozen=True)
class _Known:
    """What a method needs.

    Attributes:
        blocks: by the feature's name, of the same rows; none where nothing is needed.
        unusable: rows left out, since a number of theirs is none.
        parts: parts that the gradients lie in; 0 without.
        fidelity: what the gradients' sketch does to inner products.
        made: the parts of each feature, its engine open where any was computed.
    """

    blocks: Mapping[str, FeatureBlock]
    unusable: Sequence[Drop]
    parts: int
    fidelity: Fidelity | None
    made: Mapping[str, FeatureParts]


def _computed(
    needs: Sequence[str],
    run: RunFolder,
    examples: Mapping[int, Sample],
    settings: SelectSettings,
    proxy: Proxy,
    progress: Progress,
    clock: Clock,
) -> _Known:
    """Each feature from this run's parts, those of a run beside it, or computed; and the check of the sketch."""
    made, counts, whole = dict[str, FeatureParts](), dict[str, int](), dict[str, FeatureBlock]()
    for name in needs:
        reuse_parts(run, name, progress)
        parts = parts_of_feature(name, run.path, run.identity, in_order(examples), settings, proxy, progress)
        job = RunJob.of(run, name, settings, parts)
        executor = executor_for(
            run.path, parts.store.folder, device=job.device, engine=settings.engine, tell=progress.note
        )
        with clock(name):
            counts[name] = parts.compute(executor, job)
            whole[name], made[name] = parts.store.read(counts[name]), parts
    blocks, unusable = usable_together(whole)
    refuse_empty(min((len(block.rows) for block in blocks.values()), default=1), unusable)
    fidelity = None
    if GRADIENTS in blocks:
        with clock("fidelity"):
            fidelity = _fidelity(run, made[GRADIENTS], blocks[GRADIENTS], examples, settings)
    return _Known(blocks=blocks, unusable=unusable, parts=counts.get(GRADIENTS, 0), fidelity=fidelity, made=made)


def _fidelity(
    run: RunFolder,
    parts: FeatureParts,
    block: FeatureBlock,
    examples: Mapping[int, Sample],
    settings: SelectSettings,
) -> Fidelity | None:
    """The check of the sketch that the gradients were taken through."""
    feature, origin = parts.feature, parts.store.origin
    assert isinstance(feature, Gradients), "what is called gradients is"
    assert origin is not None, "a run's parts carry its origin"
    met, sketch = PickedSamples(examples, block.rows), settings.gradients.sketch
    return checked_sketch(run, origin, sketch, lambda: feature.engine.fidelity(met, block.features))


def _aims(
    target: TargetRows,
    made: Mapping[str, FeatureParts],
    method: Method,
    run: RunFolder,
    settings: SelectSettings,
    progress: Progress,
    clock: Clock,
) -> Aims:
    """What the method must know of the target's rows, by the same engines; its parts lie beside the pool's."""
    blocks = dict[str, FeatureBlock]()
    for name, parts in made.items():
        reuse_target(run, name, progress, plain=method.plain_target)
        own = parts_of_target(parts, name, run, target, plain=method.plain_target, progress=progress)
        job = RunJob.of(run, name, settings, own, of_target=True)
        elsewhere = executor_elsewhere(run.path, device=job.device, engine=settings.engine, tell=progress.note)
        with clock(name):
            blocks[name] = own.store.read(own.compute(elsewhere, job))
    return Aims.of(target, blocks, normalise=str(run.identity["normalise"]))


def choose_from(
    method: Method, candidates: Candidates, budget: Budget, settings: SelectSettings, progress: Progress
) -> Choice:
    """The choice from candidates that are known: over everything, or pool by pool.

    With gradients each pick's gain, base and conflict are known, whoever chose it. Raises InputError as
    `Method.choose`, or where shares cannot be met.
    """
    chosen, whole = settings.selection, budget.allowance(len(candidates))
    if chosen.schedule == "pools":
        return _in_pools(method, candidates, whole, settings, progress)
    asked = candidates.sources, whole.costs(candidates).tolist(), whole, chosen.per_source_min, chosen.per_source_max
    check_quotas(*asked)
    quotas = quotas_of(*asked)
    if chosen.max_per_prompt is not None:
        quotas = {prompt: Quota(maximum=chosen.max_per_prompt) for prompt in sorted(set(candidates.prompts))}
    choice = method.choose(candidates, replace(whole, quotas=quotas), seed=chosen.seed, progress=progress)
    if choice.stop.reason == "cost":  # `greedy` knows what rows cost, and not in what
        choice = replace(choice, stop=used_up(whole, int(whole.costs(candidates)[choice.indices].sum())))
    return (
        with_worth(choice, candidates, LogDet(alpha=settings.spice.scale))
        if GRADIENTS in candidates.features
        else choice
    )


def _in_pools(
    method: Method, candidates: Candidates, whole: Allowance, settings: SelectSettings, progress: Progress
) -> Choice:
    """Pool by pool in consecutive windows of one seeded permutation, the budget spread over them.

    Whatever a method carries from pick to pick starts empty in every pool. Cost: a choice from each pool.
    """
    chosen, objective, picked = settings.selection, LogDet(alpha=settings.spice.scale), list[Choice]()
    windows, costs = windows_of(len(candidates), chosen.pool_size, chosen.seed), whole.costs(candidates)
    chooser, spent = PoolChooser(method), 0
    if GRADIENTS in candidates.features:
        candidates.matrix  # noqa: B018 - made once; the pools take their rows of it
    with single_threaded_blas(), progress.task("Selection", len(windows), "pools") as advance:
        for number, share in enumerate(shares_of(whole, windows, costs)):
            advance(1)
            window = windows[number]
            pool = candidates.take(window)
            choice = chooser.choose(pool, share, seed=(chosen.seed, number))
            if choice is None:
                continue
            spent += int(costs[window[choice.indices]].sum())
            if GRADIENTS in candidates.features:
                choice = with_worth(choice, pool, objective)
            picked.append(replace(choice, indices=window[choice.indices], pools=np.full(len(choice), number, np.int64)))
    refuse_no_choice(picked, whole, len(windows))
    return joined(picked, stop_of_pools([choice.stop for choice in picked], whole, spent, len(windows)))


def _judged(
    candidates: Candidates, choice: Choice, budget: Budget, settings: SelectSettings, progress: Progress
) -> tuple[RandomComparison, Certificate, Curvature | None]:
    """How good the choice is: beside random ones, beside the best possible, and what greedy promises here.

    A step is a factorisation of as many rows as were chosen; the others work on all rows. The curvature's
    factorisation of all rows serves the certificate too.
    """
    objective, over_all = LogDet(alpha=settings.spice.scale), max(1, len(candidates) // max(1, len(choice)))
    with progress.task("Judging", RANDOM_DRAWS + 1 + 4 * over_all, "steps") as advance:
        rows, seed = candidates.matrix, settings.selection.seed
        versus = versus_random(rows, choice, objective, draws=RANDOM_DRAWS, seed=seed, progress=advance)
        bent = curvature(rows, objective) if settings.by_log_det else None
        advance(2 * over_all)
        proof = certificate(rows, choice, objective, **priced(candidates, budget))
        advance(2 * over_all)
    return versus, proof, bent


def priced(candidates: Candidates, budget: Budget) -> dict[str, Any]:
    """A budget in tokens as arguments of `greedy` and `certificate`; {} where rows are counted."""
    return {} if budget.tokens is None else {"costs": budget.costs(candidates), "max_cost": budget.tokens}
