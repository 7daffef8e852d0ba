"""The tests as tunings to be done: their beds, who chooses on them, and in which order.

Seed by seed, so that a whole comparison of one seed can be looked at early. Arms share LoRA and order by their seed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.evidence import beds
from benchmarks.evidence.arms import budget_of, prefix, random_among, random_like, random_order
from benchmarks.evidence.choices import among, order_of, without_target
from benchmarks.evidence.features import candidates, known, renamed
from benchmarks.evidence.gold import gold_answers, gold_rows
from benchmarks.evidence.loops import DRAWN, REDRAWN, TURNED_LOOPS, UNIONS, union
from benchmarks.evidence.tuning import RATE, Encodings, Job

from spice_select.data.corpus import read_corpus
from spice_select.data.formats import detect_format
from spice_select.data.records import Conversation
from spice_select.data.settings import DataSettings
from spice_select.diagnosis.suspects import Evidence
from spice_select.diagnosis.suspects.look import look_for
from spice_select.methods import Candidates
from spice_select.methods.target import TargetSet
from spice_select.models.load import load_tokenizer
from spice_select.settings.counted import counted
from spice_select.store import FeatureBlock

HARD = 1e-3
"""Rate of the noisy bed: at the gentler one wrong answers hardly harm, so that no choice could show that it avoids
them (random less clean rows at random: .002 nats, of which there are .05 between random and untuned)."""
LONG = 400
"""Picks that an order is made of at most: more than any budget here holds."""


SPICE = {"method": "spice", "objective": "log-det"}
WHOLE_POOL: Mapping[str, Mapping[str, Any]] = {
    "variance": {"objective": "target-variance"},
    "variance, price 1": {"objective": "target-variance", "token_price": 1},
    "log det": SPICE,
    "log det, raw": {**SPICE, "normalise": "none"},
    **{
        name: {"method": name}
        for name in (
            *("spice-official", "top-norm", "longest", "loss-low", "loss-mid", "loss-high", "ifd", "deita"),
            *("fishersft", "selectit", "herding", "gradmatch", "craig"),
            *("k-center", "facility-location", "dpp", "novelselect"),
        )
    },
}
"""Every method that chooses once and needs no target. Those that choose while the proxy trains (`lead`, `greats`) have
no one order."""
TURNED: Mapping[str, Mapping[str, Any]] = {
    "variance, alpha 0.1": {**WHOLE_POOL["variance"], "alpha": 0.1},
    "variance, alpha 10": {**WHOLE_POOL["variance"], "alpha": 10},
    "log det": SPICE,
    "log det, lambda 0": {**SPICE, "conflict_weight": 0},
}
"""The criteria with other α and λ (T5, at a tenth). Log det's with λ of .5 or 1 choose what .1 does, but for a row or
two; on raw gradients λ and α choose the same rows whatever they are."""
NOT_REDUNDANT = ("variance, price 1", "spice-official", "top-norm", "longest", "loss-low", "loss-mid")
"""Of these T4 leaves out, for what they cost to tune: controls that know nothing of repeats."""
TELLING = ("selectit", "gradmatch", "craig", "deita", "ifd", "loss-low", "loss-mid")
"""Of these T3's pool of wrong answers has those that might tell one, or that follow the mean of all."""
READ = ("losses", "unprompted-losses", "hidden-states", "token-states", "ratings")
"""What those read beside gradients."""


@dataclass(frozen=True)
class Sources:
    """Where the rows come from.

    Attributes:
        corpus: JSONL of conversations with a ``source``; held-out rows and targets are drawn from it too.
        benchmarks: folder of benchmarks' files, as `gold_answers` reads them.
        dtype: of the proxy whose gradients are taken (T6: and of whatever else is read).
        blocks: the last blocks of it that they are taken of; None for all.
    """

    corpus: Path
    benchmarks: Path
    _: KW_ONLY
    dtype: str = "bfloat16"
    blocks: int | None = 15

    @property
    def gradients(self) -> dict[str, Any]:
        """As `known` takes them."""
        asked = {} if self.blocks is None else {"last_blocks": self.blocks}
        return {"feature": "gradients", "dtype": self.dtype, **asked}

    @property
    def read(self) -> dict[str, dict[str, Any]]:
        """What rivals read beside gradients, as `known` takes it."""
        return {name: {"feature": name, "dtype": self.dtype} for name in READ}


Plan = Iterator[tuple[Job, int]]
"""Jobs, each with its priority: small numbers first."""


def targets(work: Path, sources: Sources, encodings: Encodings, *, seeds: int, rows: int = 60, draw: int = 0) -> Plan:
    """T1: three targets of which the pool holds little; loss on unseen rows of each.

    Every arm takes as many supervised tokens as `rows` rows of the pool hold on average. Another `draw` is another
    pool, with other rows of the targets to choose by and to judge by.
    """
    for folder, shared in _target_beds(work, sources, draw):
        own = _known(folder, encodings, sources, pool_of=shared, beside=("hidden-states",))
        chosen: dict[str, Sequence[int]] = {
            "targeted": order_of(own, LONG, settings={}),
            **{name: order_of(own, LONG, settings={"method": name}) for name in ("less-rr", "bm25", "rds", "sift")},
            "matched step": order_of(own, LONG, settings={"objective": "matched-step"}),
            "targeted, alpha 0.1": order_of(own, LONG, settings={"alpha": 0.1}),
        }
        drawn = {"tsds": partial(_tsds, own)}
        if own.target is not None and own.target.examples[0].source in own.sources:
            drawn["oracle"] = partial(_own_kind_first, own)
        yield from _jobs(folder.name, own, seeds, budget_of(own.supervised, rows), chosen, drawn, steps=8)


def _own_kind_first(own: Candidates, seed: int) -> Sequence[int]:
    """Random rows of the target's own source, and after them any others: what a choice by the label would be."""
    assert own.target is not None
    kind = own.target.examples[0].source
    return sorted(random_order(len(own), seed).tolist(), key=lambda row: own.sources[row] != kind)


def _tsds(own: Candidates, seed: int) -> Sequence[int]:
    return order_of(own, LONG, seed=seed, settings={"method": "tsds"})


def warm(work: Path, sources: Sources, encodings: Encodings, *, seeds: int, rows: int = 60) -> Plan:
    """T2: T1's choice made from gradients of a proxy that was warmed up on rows of the pool."""
    for folder, shared in _target_beds(work, sources):
        fewest = max(128, len(encodings.examples(folder / "pool.jsonl")) // 20)
        own = _by(folder, encodings, "warm", {**sources.gradients, "warmup_rows": fewest}, pool_of=shared)
        chosen = prefix(order_of(own, LONG, settings={}), own.supervised, budget_of(own.supervised, rows))
        for seed in range(seeds):
            yield Job(bed=folder.name, arm="targeted, warm", seed=seed, rows=chosen, facts={}, steps=8), 300 + 10 * seed


CHEAPER: Mapping[str, Mapping[str, Any]] = {
    "last 3 blocks": {"last_blocks": 3},
}
"""What else gradients may be taken of, for less of the backward pass (T7)."""


def cheaper(work: Path, sources: Sources, encodings: Encodings, *, seeds: int, rows: int = 60, draw: int = 0) -> Plan:
    """T7: the choices of T1 and T5 from gradients that cost less."""
    home = _clean_bed(work, sources, draw)
    for label, less in CHEAPER.items():
        how = {"feature": "gradients", "dtype": sources.dtype, **less}
        by = partial(_by, encodings=encodings, name=label.replace(" ", "-"), how=how)
        for folder, shared in _target_beds(work, sources, draw):
            own = by(folder, pool_of=shared)
            chosen = prefix(order_of(own, LONG, settings={}), own.supervised, budget_of(own.supervised, rows))
            job = partial(Job, bed=folder.name, arm=f"targeted, {label}", rows=chosen, facts={}, steps=8)
            yield from ((job(seed=seed), 300 + 10 * seed) for seed in range(seeds))
        own = by(home)
        order = order_of(own, len(own), settings=WHOLE_POOL["variance"])
        chosen = prefix(order, own.supervised, budget_of(own.supervised, 0.1 * len(own)))
        job = partial(Job, bed=home.name, arm=f"variance, {label}", rows=chosen, facts={}, budget=0.1, steps=8)
        yield from ((job(seed=seed), 301 + 10 * seed) for seed in range(seeds))


FEWER = (1, 4, 8, 16)
"""Rows of a target, of whose 32 T1 chooses by all (T8)."""


def fewer_arm(count: int) -> str:
    """The arm that chooses by so many rows of the target."""
    return f"targeted, {counted(count, 'row')}"


def fewer(work: Path, sources: Sources, encodings: Encodings, *, seeds: int, rows: int = 60, draw: int = 0) -> Plan:
    """T8: T1's choice by fewer rows of the target, drawn anew with each seed, fewer among more."""
    for folder, shared in _target_beds(work, sources, draw):
        own = _known(folder, encodings, sources, pool_of=shared)
        assert own.target is not None
        for seed in range(seeds):
            drawn = random_order(len(own.target), seed)
            for place, count in enumerate(FEWER):
                order = order_of(replace(own, target=own.target.take(drawn[:count])), LONG, settings={})
                chosen = prefix(order, own.supervised, budget_of(own.supervised, rows))
                arm = fewer_arm(count)
                yield Job(bed=folder.name, arm=arm, seed=seed, rows=chosen, facts={}, steps=8), 300 + 10 * seed + place


SEVERAL = {
    "three kinds, each a task": "targeted, three kinds",
    "three kinds as one": "targeted, three kinds as one",
    "each task a third (each-task)": "targeted, a third each",
    "three kinds in turn (LESS)": "less-rr, three kinds",
}
"""What a person can do who wants three things of a model: label → arm (T10)."""


def several(work: Path, sources: Sources, encodings: Encodings, *, seeds: int, rows: int = 60, draw: int = 0) -> Plan:
    """T10: one choice for T1's three targets together, on the budget that T1 has for each, judged by all three."""
    folders = _target_beds(work, sources, draw)
    owns = [_known(folder, encodings, sources, pool_of=shared) for folder, shared in folders]
    own, kinds = owns[0], [one.target for one in owns if one.target is not None]
    as_one, as_tasks = (replace(own, target=_together(kinds, names)) for names in ([""] * len(kinds), TARGETS))
    budget = budget_of(own.supervised, rows)
    orders = {
        "targeted, three kinds": order_of(as_tasks, LONG, settings={}),
        "targeted, three kinds as one": order_of(as_one, LONG, settings={}),
        "targeted, a third each": order_of(as_tasks, LONG, settings={"method": "each-task"}),
        "less-rr, three kinds": order_of(as_tasks, LONG, settings={"method": "less-rr"}),
    }
    for folder, _ in folders:
        for place, (arm, order) in enumerate(orders.items()):
            picks = prefix(order, own.supervised, budget)
            job = partial(Job, bed=folder.name, arm=arm, rows=picks, facts={}, steps=8)
            yield from ((job(seed=seed), 300 + 10 * seed + place) for seed in range(seeds))


def _together(kinds: Sequence[TargetSet], names: Sequence[str]) -> TargetSet:
    """One target of several, each under a name of its task."""
    blocks = [kind.features["gradients"] for kind in kinds]
    count = sum(map(len, kinds))
    block = replace(FeatureBlock.concatenate(blocks), rows=np.arange(count))
    return TargetSet(
        rows=np.arange(count),
        tasks=[name for name, kind in zip(names, kinds, strict=True) for _ in range(len(kind))],
        examples=[example for kind in kinds for example in kind.examples],
        features={"gradients": block},
        normalise=kinds[0].normalise,
    )


NOISE = {
    "noise-40-within": {"share": 0.4, "within": True},
    "noise-20-within": {"share": 0.2, "within": True},
    "noise-40-across": {"share": 0.4, "within": False},
    "noise-20-across": {"share": 0.2, "within": False},
}
"""The noisy beds: how many answers are swapped, and whether with one of the same source."""


def noise(
    work: Path, sources: Sources, encodings: Encodings, *, seeds: int, rows: int = 100, names: Sequence[str] = (*NOISE,)
) -> Plan:
    """T3: answers swapped, within their source or across sources; loss on clean rows of every source."""
    for name in names:
        folder = work / "beds" / name
        if not folder.exists():
            beds.noisy(sources.corpus, folder, **NOISE[name])
        own = _known(folder, encodings, sources)
        bad = beds.Bed(folder).bad
        fit = sound(folder, encodings, own, sources)
        chosen: dict[str, Sequence[int]] = {
            "targeted": order_of(own, LONG, settings={}),
            "suspects aside, targeted": among(own, fit, LONG, settings={}),
            "matched step": order_of(own, LONG, settings={"objective": "matched-step"}),
            "less-rr": order_of(own, LONG, settings={"method": "less-rr"}),
            "variance": order_of(without_target(own), 250, settings=WHOLE_POOL["variance"]),
        }
        clean = [place for place in range(len(own)) if place not in bad]
        drawn = {"clean-random": _drawn_from(clean), "suspects aside, random": _drawn_from(fit)}
        yield from _jobs(name, own, seeds, budget_of(own.supervised, rows), chosen, drawn, rate=HARD, bad=bad)


SWAPPED = {"swapped-across": NOISE["noise-40-across"], "swapped-within": NOISE["noise-40-within"]}
"""T3's pools with two answers in five swapped, as rivals without a target meet them."""


def noise_rivals(work: Path, sources: Sources, encodings: Encodings, *, seeds: int, rows: int = 100) -> Plan:
    """T3's pools with two answers in five swapped, and those that choose from them without a target."""
    for name, how in SWAPPED.items():
        folder = work / "beds" / name
        if not folder.exists():
            beds.noisy(sources.corpus, folder, **how)
        own = without_target(_known(folder, encodings, sources, beside=READ))
        chosen = {name: order_of(own, 250, settings=WHOLE_POOL[name]) for name in ("variance", *TELLING)}
        bad = beds.Bed(folder).bad
        yield from _jobs(folder.name, own, seeds, budget_of(own.supervised, rows), chosen, steps=13, rate=HARD, bad=bad)


def redundant(work: Path, sources: Sources, encodings: Encodings, *, seeds: int, rows: int = 60, draw: int = 0) -> Plan:
    """T4: seven rows in ten are copies; loss on other rows of the same mixture, in which every row stands once.

    The rivals that leave repeats out by what they maximise stand beside the default; another `draw` is another pool.
    """
    folder = work / "beds" / drawn_anew("redundant", draw)
    if not folder.exists():
        beds.redundant(sources.corpus, folder, seed=draw)
    own = _known(folder, encodings, sources, beside=READ)
    alone = sound(folder, encodings, own, sources, kinds=("duplicate", "near-duplicate"))
    chosen: dict[str, Sequence[int]] = {
        "distinct variance": order_of(own, LONG, settings={"objective": "distinct-variance"}),
        "repeats aside, variance": among(own, alone, LONG, settings=WHOLE_POOL["variance"]),
        **{name: order_of(own, LONG, settings=how) for name, how in WHOLE_POOL.items() if name not in NOT_REDUNDANT},
    }
    drawn = {"repeats aside, random": _drawn_from(alone)}
    yield from _jobs(folder.name, own, seeds, budget_of(own.supervised, rows), chosen, drawn, steps=8)


def like_the_pool(
    work: Path, sources: Sources, encodings: Encodings, *, seeds: int, share: float = 0.1, draw: int = 0
) -> Plan:
    """T5: nothing but rows like those that judge; does a choice save tokens?

    Beside equal tokens, three arms get six tenths of them, a random draw among these: is what they reach the choice's?
    "full" makes as many steps on as many tokens, in one pass over rows that it never sees again. `share` is the
    budget's of the pool's tokens, of which a tenth makes 8 steps a pass, and is what α and λ are turned at; another
    `draw` is another pool.
    """
    folder = _clean_bed(work, sources, draw)
    own, half = _known(folder, encodings, sources), {**WHOLE_POOL["variance"], "token_price": 0.5}
    priced = {name: WHOLE_POOL[name] for name in ("variance", "variance, price 1")} | {"variance, price 0.5": half}
    asked = priced | (TURNED if share == 0.1 else {})
    chosen = {name: order_of(own, len(own), settings=how) for name, how in asked.items()}
    budget, steps = budget_of(own.supervised, share * len(own)), max(1, round(80 * share))
    for seed in range(seeds):
        orders = {
            "random": random_order(len(own), seed).tolist(),
            **chosen,
            "stratified": order_of(own, len(own), seed=seed, settings={"method": "stratified"}),
        }
        less = {name: orders[name] for name in ("random", "variance", "variance, price 1")}
        parts = [
            *((arm, prefix(order, own.supervised, budget)) for arm, order in orders.items()),
            *((f"{arm}, 60 %", prefix(order, own.supervised, round(0.6 * budget))) for arm, order in less.items()),
        ]
        job = partial(Job, bed=folder.name, seed=seed, facts={}, budget=share)
        for place, (arm, rows) in enumerate(parts):
            yield job(arm=arm, rows=rows, steps=steps), 100 + 40 * seed + place
        once = prefix(orders["random"], own.supervised, round(2 * budget))
        yield job(arm="full", rows=once, steps=2 * steps, epochs=1), 139 + 40 * seed
    yield Job(bed=folder.name, arm="untuned", seed=0, rows=[], facts={}), 10


AIMED = ("less-rr", "rds", "bm25", "sift")
"""Who chooses for a target of other rows like the pool's, beside the default, TSDS and GREATS (T6)."""
ALLOCATING = ("variance", "selectit")
"""Whose shares of the sources random rows take as well: is what they gain the sources', or the rows'?"""
RATED = {"rated half": 0.5, "rated quarter": 0.25}
"""Shares of the pool, the rows that its proxy rates best, of which the default chooses as well: do the two add up?"""


def every_method(
    work: Path,
    sources: Sources,
    encodings: Encodings,
    *,
    seeds: int,
    rows: int = 60,
    asked: int = 20,
    second: str | None = None,
    draw: int = 0,
) -> Plan:
    """T6: T5's pool, every method, judged by rows like the pool's and by the gold answers of benchmarks.

    Methods that need a target have 64 other rows like the pool's. Those that live in the loop choose once, with the
    first seed, as others do that draw nothing; random-in-pool draws with each.

    "random, 1 %" and "full" are there to see whether a set of gold answers tells a worse model from a better one.
    `second` is a proxy of another family, by whose gradients the default chooses too; another `draw` is another pool.
    """
    home, folder = _clean_bed(work, sources, draw), _gold_bed(work, sources, draw, asked)
    aimed = _known(folder, encodings, sources, pool_of=home, beside=("hidden-states",))
    own = without_target(_known(home, encodings, sources, beside=READ))
    chosen = {name: order_of(own, 250, settings=how) for name, how in WHOLE_POOL.items()}
    rated = order_of(own, len(own), settings=WHOLE_POOL["selectit"])
    for name, share in RATED.items():
        best = sorted(rated[: round(share * len(own))])
        chosen[f"{name}, variance"] = among(own, best, 250, settings=WHOLE_POOL["variance"])
    if second is not None:
        seen = _seen_by(second, home, sources)
        elsewhere = replace(own, features={**own.features, "gradients": seen})
        chosen["variance, second proxy"] = order_of(elsewhere, 250, settings=WHOLE_POOL["variance"])
    budget = budget_of(own.supervised, rows)
    chosen |= {"targeted": order_of(aimed, 250, settings={})}
    chosen |= {name: order_of(aimed, 250, settings={"method": name}) for name in AIMED}

    picked = partial(_in_pools, work, folder, sources, budget)
    chosen |= {arm: picked(arm, 0) for arm in UNIONS if arm != DRAWN}
    drawn: dict[str, Callable[[int], Sequence[int]]] = {
        DRAWN: partial(picked, DRAWN),
        "tsds": partial(_tsds, aimed),
        "stratified": lambda seed: order_of(own, len(own), seed=seed, settings={"method": "stratified"}),
        **{
            f"random, sources as {name}": partial(
                random_like, prefix(chosen[name], own.supervised, budget), own.sources, own.supervised
            )
            for name in ALLOCATING
        },
    }
    yield from _jobs(folder.name, own, seeds, budget, chosen, drawn, steps=8)
    for seed in range(seeds):
        fresh = random_order(len(own), seed).tolist()
        few, once = (prefix(fresh, own.supervised, round(share * budget)) for share in (0.1, 2))
        at = 100 + 40 * seed
        yield Job(bed=folder.name, arm="random, 1 %", seed=seed, rows=few, facts={}, steps=3), at
        yield Job(bed=folder.name, arm="full", seed=seed, rows=once, facts={}, steps=16, epochs=1), at


def loops(
    work: Path, sources: Sources, encodings: Encodings, *, seeds: int, rows: int = 60, asked: int = 20, draw: int = 0
) -> Plan:
    """T9: the variance in the loop on T6's pool, with pools of other sizes, fewer steps, and pools that seeds draw.

    Judged by held-out rows alone, without T6's gold answers.
    """
    folder = _gold_bed(work, sources, draw, asked)
    supervised = np.array([example.num_supervised for example in encodings.examples(folder / "pool.jsonl")])
    picked = partial(_in_pools, work, folder, sources, budget_of(supervised, rows))
    for place, arm in enumerate(TURNED_LOOPS):
        for seed in range(seeds):
            chosen = picked(arm, seed + 1 if arm == REDRAWN else 0)
            yield Job(bed=folder.name, arm=arm, seed=seed, rows=chosen, facts={}, steps=8), 300 + 10 * seed + place


def _in_pools(work: Path, folder: Path, sources: Sources, budget: int, arm: str, seed: int) -> list[int]:
    """What an arm chooses of a bed in the loop, or pool by pool."""
    out = work / "loops" / f"{folder.name}--{arm}--{seed}"
    how = {name: value for name, value in sources.gradients.items() if name != "feature"}
    files = folder / "pool.jsonl", folder / "target.jsonl"
    return union(*files, arm, out, budget=budget, seed=seed, gradients=how)


def _seen_by(model: str, home: Path, sources: Sources) -> FeatureBlock:
    """The gradients of a bed's pool on another proxy, in the tokens of its own."""
    pool = Encodings(load_tokenizer(model)).examples(home / "pool.jsonl")
    how = {**sources.gradients, "model": model}
    return known(home, f"pool-gradients-{Path(model).stem}", pool, pool, **how)


def subsets(work: Path, sources: Sources, encodings: Encodings, *, draws: int = 24, rows: int = 60) -> Plan:
    """T0: random subsets of a clean pool with equal tokens, each tuned once; which number of theirs tells the loss?"""
    folder = work / "beds" / "in-distribution"
    if not folder.exists():
        beds.like_the_pool(sources.corpus, folder)
    pool = encodings.examples(folder / "pool.jsonl")
    supervised = np.array([example.num_supervised for example in pool])
    yield Job(bed=folder.name, arm="untuned", seed=0, rows=[], facts={}), 10
    for draw in range(draws):
        chosen = prefix(random_order(len(pool), 100 + draw), supervised, budget_of(supervised, rows))
        yield Job(bed=folder.name, arm="random", seed=draw, rows=chosen, facts={}, steps=8, tuning_seed=0), 500 + draw


def _clean_bed(work: Path, sources: Sources, draw: int) -> Path:
    """T5's bed of that draw, which others choose from too."""
    folder = work / "beds" / drawn_anew("like-the-pool", draw)
    if not folder.exists():
        beds.like_the_pool(sources.corpus, folder, seed=draw)
    return folder


def _gold_bed(work: Path, sources: Sources, draw: int, asked: int) -> Path:
    """T6's bed of that draw: T5's, with a target of other rows like it, judged by gold answers as well."""
    home, folder = _clean_bed(work, sources, draw), work / "beds" / drawn_anew("every-method", draw)
    if not folder.exists():
        like = beds.others_like_it(beds.Bed(home), sources.corpus, 64, seed=draw)
        beds.judged_by_gold(beds.Bed(home), like, gold_answers(sources.benchmarks, asked), folder)
    return folder


TARGETS = ("target-gsm8k", "target-toolformer", "target-mbpp")


def _target_beds(work: Path, sources: Sources, draw: int = 0) -> list[tuple[Path, Path]]:
    """A bed for each target, and the bed where the features of the pool that all share are kept."""
    named = {name: drawn_anew(name, draw) for name in TARGETS}
    folders = [work / "beds" / name for name in named.values()]
    if not folders[0].exists():
        rows = _target_rows(sources)
        beds.rare(sources.corpus, {named[name]: rows[name] for name in rows}, work / "beds", seed=draw)
    return [(folder, folders[0]) for folder in folders]


def drawn_anew(name: str, draw: int) -> str:
    """The bed's name in that draw: the first goes without a number."""
    return f"{name}-{draw}" if draw else name


def _target_rows(sources: Sources) -> Mapping[str, Sequence[beds.Record]]:
    return {
        "target-gsm8k": beds.rows_of(sources.corpus, "gsm8k"),
        "target-toolformer": beds.rows_of(sources.corpus, "gpteacher_toolformer"),
        "target-mbpp": gold_rows(sources.benchmarks, "mbpp"),
    }


def _known(
    bed: Path, encodings: Encodings, sources: Sources, *, pool_of: Path | None = None, beside: Sequence[str] = ()
) -> Candidates:
    """The bed with its gradients and what is asked for beside; of a pool of several beds they lie in one of them."""
    pool, target = encodings.examples(bed / "pool.jsonl"), encodings.examples(bed / "target.jsonl")
    kinds = {"gradients": sources.gradients, **{name: sources.read[name] for name in beside}}
    return candidates(bed, pool, target, kinds, pool_of=pool_of)


def _by(bed: Path, encodings: Encodings, name: str, how: dict[str, Any], *, pool_of: Path | None = None) -> Candidates:
    """The bed with other gradients than its own, kept under a name, in their place."""
    pool, target = encodings.examples(bed / "pool.jsonl"), encodings.examples(bed / "target.jsonl")
    return renamed(candidates(bed, pool, target, {name: how}, pool_of=pool_of), {name: "gradients"})


def sound(
    bed: Path, encodings: Encodings, own: Candidates, sources: Sources, *, kinds: Sequence[str] = ("mismatched",)
) -> list[int]:
    """Positions of the rows that `spice select --without-suspects KINDS` would leave in."""
    pool = encodings.examples(bed / "pool.jsonl")
    alone = None
    if "mismatched" in kinds:
        alone = known(bed, "pool-unprompted", pool, pool, feature="unprompted-losses", dtype="float32").losses
    rows = read_corpus(str(bed / "pool.jsonl"), DataSettings()).rows
    row_format = detect_format(rows)
    read = [row_format.read(row) for row in rows]
    evidence = Evidence(
        examples=pool,
        conversations=[one for one in read if isinstance(one, Conversation)],
        losses=own.features["gradients"].losses,
        unprompted=alone,
    )
    suspects = {one.row for one in look_for(evidence, kinds).listed}
    return [place for place, row in enumerate(own.rows.tolist()) if row not in suspects]


def _drawn_from(rows: Sequence[int]) -> Callable[[int], Sequence[int]]:
    return lambda seed: random_among(rows, seed).tolist()


def _jobs(
    bed: str,
    own: Candidates,
    seeds: int,
    budget: int,
    chosen: Mapping[str, Sequence[int]],
    drawn: Mapping[str, Callable[[int], Sequence[int]]] | None = None,
    *,
    steps: int = 13,
    rate: float = RATE,
    bad: set[int] | None = None,
) -> Plan:
    """Untuned first; then seed by seed random, what is drawn anew each time, and what was chosen once."""
    fresh = {"random": lambda seed: random_order(len(own), seed).tolist(), **(drawn or {})}
    yield Job(bed=bed, arm="untuned", seed=0, rows=[], facts={}, steps=steps), 10
    for seed in range(seeds):
        orders = {**{name: draw(seed) for name, draw in fresh.items()}, **chosen}
        for place, (arm, order) in enumerate(orders.items()):
            rows = prefix(order, own.supervised, budget)
            facts = {} if bad is None else {"bad": len(bad & set(rows))}
            job = Job(bed=bed, arm=arm, seed=seed, rows=rows, facts=facts, steps=steps, rate=rate)
            yield job, 100 + 40 * seed + place
