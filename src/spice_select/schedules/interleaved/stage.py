"""The paper's procedure: pools in turn, each at the proxy's current state, the proxy trained on what was picked.

Everything that costs time lies on disk when it is done: a pool's gradients in parts, the proxy's state after every
update. Picks cost next to nothing and are made anew from the gradients, so a run that is killed computes no finished
part twice and makes no finished update twice, and ends bit-identical.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Drop, Sample
from spice_select.diagnosis.explained import Explained, mean_explained
from spice_select.diagnosis.pool_by_pool import PoolResult, judge_pool, total
from spice_select.features import usable
from spice_select.features.proxy import Proxy
from spice_select.gradients.fidelity import Fidelity
from spice_select.methods import METHODS, Candidates, Choice
from spice_select.methods.base import GRADIENTS
from spice_select.methods.budget import Allowance, Budget
from spice_select.methods.moment import Moment
from spice_select.methods.pool_shares import PoolChooser, refuse_no_choice
from spice_select.methods.worth import with_worth
from spice_select.progress import Progress
from spice_select.progress.clock import Clock
from spice_select.run.aims import Aims
from spice_select.run.exclusion import Excluded, Exclusion, all_gone, without_rows
from spice_select.run.folder import RunFolder
from spice_select.run.origin import origin_of
from spice_select.run.outcome import Judgement, Nearest, Outcome, joined_nearest, refuse_empty
from spice_select.run.settings import SelectSettings
from spice_select.run.sketch_check import checked_sketch
from spice_select.run.target import TargetRows
from spice_select.schedules.candidates import candidates_of
from spice_select.schedules.interleaved.adapter import OUTPUTS, save_proxy
from spice_select.schedules.interleaved.beginning import known_before
from spice_select.schedules.interleaved.bench import PROXY, Bench
from spice_select.schedules.interleaved.gradients import PoolGradients
from spice_select.schedules.interleaved.hands import hands_for
from spice_select.schedules.interleaved.moving import Checkpoints, MovingProxy, mean_loss
from spice_select.schedules.interleaved.opening import open_trainer, probe_fidelity, step_recipe
from spice_select.schedules.interleaved.plan import Plan, PlannedPool, plan_pools
from spice_select.schedules.interleaved.target_gradients import TargetGradients
from spice_select.schedules.joined import joined, stop_of_pools
from spice_select.selection import LogDet, Stop
from spice_select.settings.counted import counted, leading
from spice_select.store import FeatureBlock


def choose_interleaved(
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
    """Select pool by pool while the proxy trains on what was picked. Source: SPICE (arXiv 2601.23155), Algorithm 1.

    Leaves the trained proxy in the run folder as well: ``proxy/adapter`` (PEFT), ``proxy/steps.jsonl``.

    Raises:
        InputError: a budget too small for the pools, quotas, parameters other than LoRA; a loss that is
            no longer a number (`DivergedError`), or that never was one.
    """
    excluded = exclusion.found(examples) if exclusion else Excluded()
    gone = all_gone(leaving, excluded)
    examples = without_rows(examples, gone)
    method = METHODS[settings.selection.method].of(settings.flat())
    known, unknown = known_before(method, run, examples, settings, proxy, progress, clock)
    examples = without_rows(examples, unknown)
    identity, rows = run.identity, list(examples.values())
    whole = budget.allowance(len(rows))
    plan = _plan(rows, whole, settings)
    checkpoints = Checkpoints(run.path / PROXY, origin_of(identity))
    moving = MovingProxy(lambda: open_trainer(settings, proxy, plan.total_steps, rows), plan, checkpoints)
    bench = Bench(run.path, identity, examples, settings, moving.at)
    aims = None if target is None else TargetGradients(run, target, settings, proxy, moving, clock)
    begun = candidates_of(examples, known, settings)
    choosers = [PoolChooser(method.fresh(begun)) for _ in range(plan.epochs)]  # what is carried is for one epoch
    met = list[_Met]()
    device = proxy.device if settings.engine.engine == "ray" else settings.proxy.device
    with hands_for(run.path, device=device, engine=settings.engine, tell=progress.note) as hands:
        moving.pieces = lambda trainer, cycle: partial(hands.pieces, trainer, bench, cycle)
        batch_tokens = proxy.batch_tokens(settings.gradients)
        gradients = PoolGradients(plan, rows, bench, hands, batch_tokens, moving, clock)
        with gradients.shown(progress):
            for pool in plan.pools:
                block, _ = usable(gradients.of(pool))
                if len(block.rows):
                    aimed = None if aims is None else aims.at(pool.cycle)
                    aiming = None if aimed is None else aimed.choosing
                    candidates = candidates_of(examples, {GRADIENTS: block}, settings, aiming)
                    candidates = replace(candidates, moment=_moment(plan, pool.cycle, settings))
                    with clock("selection"):
                        one = _pick(choosers[pool.epoch], pool, candidates, settings, aimed)
                    if one is not None:
                        met.append(one)
                        moving.enter(pool.cycle, [examples[int(row)] for row in one.rows])
        final = [one for one in met if one.pool.epoch == plan.epochs - 1]
        features, unusable = usable(gradients.read())
        refuse_empty(len(features.rows), unusable)
        refuse_no_choice([one.picked for one in final], whole, len(plan.pools) // plan.epochs)
        with clock("fidelity"):
            # of the last pool, though it may have bought no row: the proxy was brought there for its gradients
            cycle, sketch = plan.pools[-1].cycle, settings.gradients.sketch
            fidelity = checked_sketch(
                run,
                origin_of(identity),
                sketch,
                lambda: _fidelity(examples, cycle, gradients, plan, settings, moving, progress),
            )
        with clock("training"):
            save_proxy(run, moving.at(plan.cycles).model, moving.log)
    candidates = candidates_of(examples, {GRADIENTS: features}, settings)
    choice = _joined(final, features, whole, plan)
    versus, proof = total([one.result for one in final if one.result is not None])
    return Outcome(
        parts=gradients.parts,
        candidates=candidates,
        choice=choice,
        judged=Judgement(
            versus=versus,
            certificate=proof,
            by_pool=True,
            fidelity=fidelity,
            target=mean_explained([one.reached for one in final]),
            held_out=settings.target.hold_out_target,
        ),
        unusable=[*unknown, *unusable, *gone],
        outputs=OUTPUTS,
        notes=[
            _told(plan, moving, settings),
            *choosers[-1].method.notes(candidates, choice),
            *excluded.notes,
            *(() if aims is None else aims.at(met[-1].pool.cycle).notes),
        ],
        nearest=None if aims is None else joined_nearest([one.nearest for one in final if one.nearest is not None]),
    )


@dataclass(frozen=True, eq=False)
class _Met:
    """A pool that was picked from.

    Attributes:
        pool: which.
        rows: numbers of the rows picked, in order; features are read again where they are needed, not kept.
        picked: the picks, as positions in the pool's usable rows.
        tokens: of the picks.
        result: how good the picks were; None where nothing was picked.
        reached: what they explain of each task of the target at that state; empty without one.
        nearest: the target's row nearest to each.
    """

    pool: PlannedPool
    rows: NDArray[np.int64]
    picked: Choice
    tokens: int
    result: PoolResult | None
    reached: Sequence[Explained] = ()
    nearest: Nearest | None = None


def _plan(rows: Sequence[Sample], whole: Allowance, settings: SelectSettings) -> Plan:
    moving, budget = settings.interleaved, Budget.parse(settings.selection.budget)
    return plan_pools(
        [budget.cost(example) for example in rows],
        whole,
        pool_size=settings.selection.pool_size,
        update_every=moving.update_every,
        epochs=moving.epochs,
        seed=settings.selection.seed,
        step_rows=moving.step_rows,
    )


def _moment(plan: Plan, cycle: int, settings: SelectSettings) -> Moment:
    """After so many updates; the rate is that of the plan, so that a resumed run has the same."""
    recipe = step_recipe(settings.interleaved, settings.selection.seed)
    return Moment(updates=cycle, rate=recipe.rate(plan.first_step(cycle), plan.total_steps))


def _pick(
    chooser: PoolChooser, pool: PlannedPool, candidates: Candidates, settings: SelectSettings, aims: Aims | None
) -> _Met | None:
    """The picks of a pool, judged; None where a budget in tokens has room for none of its rows yet."""
    objective, seed = LogDet(alpha=settings.spice.scale), settings.selection.seed
    seen = chooser.method.seen(candidates)  # before the picks enter what is carried
    picked = chooser.choose(candidates, pool.allowance, seed=(seed, pool.number))
    if picked is None:
        return None
    picked, tokens = with_worth(picked, candidates, objective), pool.allowance.costs(candidates)
    costs = None if pool.allowance.tokens is None else tokens
    result = judge_pool(seen, picked, objective, seed=seed, pool=pool.number, costs=costs) if len(picked) else None
    met = _Met(pool, candidates.rows[picked.indices], picked, int(tokens[picked.indices].sum()), result)
    if aims is None or result is None:
        return met
    return replace(met, reached=aims.reached(candidates, picked, settings), nearest=aims.nearest(candidates, picked))


def _joined(met: Sequence[_Met], features: FeatureBlock, whole: Allowance, plan: Plan) -> Choice:
    """All picks of the last epoch, pool after pool, as positions in the usable rows."""
    windows = len(plan.pools) // plan.epochs
    first = windows * (plan.epochs - 1)
    if whole.tokens is None:
        whole = Allowance(rows=sum(pool.share for pool in plan.pools[first:]))
    runs = [
        replace(
            one.picked,
            indices=np.searchsorted(features.rows, one.rows),
            pools=np.full(len(one.picked), one.pool.number - first),
        )
        for one in met
    ]
    stop = stop_of_pools([one.picked.stop for one in met], whole, sum(one.tokens for one in met), windows)
    picked = sum(map(len, runs))
    if stop.reason == "budget" and picked < (whole.rows or 0):
        stop = Stop(
            reason="exhausted",
            sentence=f"{picked:,} of {whole.rows:,} rows: in some pools fewer had usable gradients than their share.",
        )
    return joined(runs, stop)


def _fidelity(
    examples: Mapping[int, Sample],
    cycle: int,
    gradients: PoolGradients,
    plan: Plan,
    settings: SelectSettings,
    moving: MovingProxy,
    progress: Progress,
) -> Fidelity | None:
    """The check of the sketch on rows of the last cycle, at the state their gradients were taken at."""
    blocks = [usable(gradients.of(pool))[0] for pool in plan.pools if pool.cycle == cycle]
    last = FeatureBlock.concatenate(blocks)
    rows = [examples[int(row)] for row in last.rows]
    return probe_fidelity(settings, moving.at(cycle), rows, last.features, progress)


def _told(plan: Plan, moving: MovingProxy, settings: SelectSettings) -> str:
    """What became of the proxy."""
    steps, tenth = len(moving.log), max(1, len(moving.log) // 10)
    before, after = mean_loss(moving.log, slice(0, tenth)), mean_loss(moving.log, slice(-tenth, None))
    return (
        f"The proxy made {counted(steps, 'optimiser step')} on what {settings.selection.method} picked in "
        f"{counted(len(plan.pools), 'pool')}; its loss on the rows of a step was {before:.3f} in the "
        f"{leading(tenth, 'one')} and {after:.3f} in the last. "
        "Information and bound are sums over pools, each at the state the proxy had there."
    )
