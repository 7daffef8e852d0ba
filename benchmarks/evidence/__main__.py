"""Does a choice make a better model than a random one, at equal supervised tokens? One command a test.

    python -m benchmarks.evidence T1 --corpus corpus.jsonl.gz --benchmarks eval --work runs/evidence
    python -m benchmarks.evidence T3 --corpus corpus.jsonl.gz --work runs/evidence --dtype float32 --blocks 0
    python -m benchmarks.evidence T0 --corpus corpus.jsonl.gz --work runs/evidence

T0: does any number known beforehand rank random subsets as their tuned loss does? T1: three targets, unseen rows. T2:
T1's choice from warm gradients. T3: answers swapped (`--beds`: which share, and how). T3-rivals: every method that
might tell such an answer, or follow the mean of all, on two of its pools, without a target. T4: most rows are copies.
T5: test rows like the pool's. T6: that pool, every method, and gold answers of benchmarks. T7: the choices of T1 and T5
from gradients that cost less. T8: T1's by fewer rows of the target. T9: T6's choice in the loop with other pools and
fewer steps. T10: one choice for T1's three targets together. The target model is the proxy, its last ten blocks tuned
by LoRA. What is done is not done again: the same command resumes, and adds seeds. `--report` tunes nothing. Tables and
pictures of what there is come into `benchmarks/evidence/results/`, and the loss of every held-out row of every run into
its folder `losses`: runs that are there count as done.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.evidence import tables
from benchmarks.evidence.kept import keep, kept, lay_out, with_results
from benchmarks.evidence.loops import MOVING, TURNED_LOOPS
from benchmarks.evidence.plans import (
    CHEAPER,
    FEWER,
    NOISE,
    SEVERAL,
    SWAPPED,
    TARGETS,
    Sources,
    cheaper,
    drawn_anew,
    every_method,
    fewer,
    fewer_arm,
    like_the_pool,
    loops,
    noise,
    noise_rivals,
    redundant,
    several,
    subsets,
    targets,
    warm,
)
from benchmarks.evidence.surrogates import measured
from benchmarks.evidence.tuning import Encodings, plan

from spice_select.comparison.bed import beds
from spice_select.comparison.compared import compare_bed
from spice_select.comparison.judged_set import JudgedSet, judge_bed
from spice_select.comparison.page.curves import budget_curves, budget_figure
from spice_select.comparison.page.verdicts import verdict_figure
from spice_select.comparison.records import ArmRun
from spice_select.comparison.report_table import ReportTable, tables_json, tables_markdown
from spice_select.comparison.statistics import LossPerToken
from spice_select.comparison.tables import null_checks
from spice_select.comparison.terms import Terms
from spice_select.models.load import load_tokenizer
from spice_select.store import write_text

HERE = Path(__file__).parent / "results"
LOSSES = HERE / "losses"
"""The runs behind the tables, a file a bed: what is in there is not tuned again."""
BEDS = {
    "T0": ("in-distribution",),
    "T1": TARGETS,
    "T2": TARGETS,
    "T3": tuple(NOISE),
    "T3-rivals": (*SWAPPED,),
    "T4": ("redundant",),
    "T5": ("like-the-pool",),
    "T6": ("every-method",),
    "T7": (*TARGETS, "like-the-pool"),
    "T8": TARGETS,
    "T9": ("every-method",),
    "T10": TARGETS,
}
"""A test's beds; those of another draw have its number behind their names."""
DRAWN = ("T1", "T4", "T5", "T6", "T7", "T8", "T9", "T10")
"""Tests of which there are other draws."""
VARIANTS: dict[str, tuple[str, tuple[dict[str, str], ...]]] = {
    "T2": ("warm-up", ({"cold": "targeted", "warm, 1 checkpoint": "targeted, warm"},)),
    "T7": (
        "gradients of",
        tuple(
            {"last 15 blocks": arm, **{label: f"{arm}, {label}" for label in CHEAPER}}
            for arm in ("targeted", "variance")
        ),
    ),
    "T8": ("rows of the target", ({"32": "targeted", **{str(count): fewer_arm(count) for count in FEWER}},)),
    "T9": (
        "in the loop",
        ({"pools of 60, a step after each": MOVING, **{arm.partition(", ")[2]: arm for arm in TURNED_LOOPS}},),
    ),
    "T10": ("chosen for", ({"it alone": "targeted", **SEVERAL},)),
}
"""Tests of variants of one arm of others' beds: what they differ in, and label → arm, the one that is known first.
Tables of those beds go without the rest, which would make all of their p-values larger."""
TERMS = Terms(endpoint=LossPerToken())
CONTRASTS = ("untuned", "random, 1 %", "random")
"""From what must be the worst model to the best: a set of gold answers that says otherwise tells nothing (T6)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test", choices=tuple(BEDS))
    parser.add_argument("--corpus", type=Path, required=True, help="JSONL of conversations with a `source` column")
    parser.add_argument("--benchmarks", type=Path, default=Path("eval"), help="folder of their files (T1, T2, T6 on)")
    parser.add_argument("--work", type=Path, required=True, help="folder of beds, features and results")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--beds", nargs="+", choices=tuple(NOISE), default=["noise-40-within"], help="noisy beds (T3)")
    parser.add_argument("--draw", type=int, default=0, help="of the pool (T1, T4 to T10); each has tables of its own")
    parser.add_argument("--share", type=float, default=0.1, help="budget, of the pool's tokens (T5)")
    parser.add_argument("--second", help="a proxy of another family, by whose gradients is chosen too (T6)")
    parser.add_argument("--dtype", default="bfloat16", help="of the proxy that gradients are taken on")
    parser.add_argument("--blocks", type=int, default=15, help="last blocks they are taken of; 0 for all")
    parser.add_argument("--workers", type=int, default=2, help="tunings at once, one thread each")
    parser.add_argument("--report", action="store_true", help="tune nothing: tables of what is there")
    options = parser.parse_args()
    if options.draw and options.test not in DRAWN:
        parser.error(f"--draw {options.draw}: {options.test} has one draw; {', '.join(DRAWN)} have several")
    sources = Sources(options.corpus, options.benchmarks, dtype=options.dtype, blocks=options.blocks or None)
    encodings = Encodings(load_tokenizer(None))
    if not options.report:
        makers: dict[str, Callable[..., object]] = {
            "T0": subsets,
            "T1": targets,
            "T2": warm,
            "T3": noise,
            "T3-rivals": noise_rivals,
            "T4": redundant,
            "T5": like_the_pool,
            "T6": every_method,
            "T7": cheaper,
            "T8": fewer,
            "T9": loops,
            "T10": several,
        }
        extra: dict[str, object] = {} if options.test == "T0" else {"seeds": options.seeds}
        if options.test == "T3":
            extra["names"] = options.beds
        if options.test == "T5":
            extra["share"] = options.share
        if options.test == "T6":
            extra["second"] = options.second
        if options.test in DRAWN:
            extra["draw"] = options.draw
        planned = [*makers[options.test](options.work, sources, encodings, **extra)]  # type: ignore[call-overload]
        for job, priority in planned:
            plan(options.work, job, priority)
        for job in lay_out(kept(LOSSES), [job for job, _ in planned], options.work):
            print(f"{job.name}: chooses other rows than those kept in {LOSSES}: tuned again", flush=True)
        command = [sys.executable, "-m", "benchmarks.evidence.tuning", str(options.work)]
        for worker in [subprocess.Popen(command) for _ in range(options.workers)]:
            if worker.wait():
                raise SystemExit("a worker ended with a fault: start the same command again")
    keep(with_results(kept(LOSSES), options.work / "results"), LOSSES)
    own = {drawn_anew(bed, options.draw) for bed in BEDS[options.test]}
    records, name = [record for record in kept(LOSSES) if record.bed in own], drawn_anew(options.test, options.draw)
    if not records:
        raise SystemExit(f"no runs of {', '.join(sorted(own))} below {options.work} or in {LOSSES}")
    written = _tables(options.test, records, options.work, encodings)
    HERE.mkdir(exist_ok=True)
    (HERE / f"{name}.md").write_text(tables_markdown(written) + "\n")
    (HERE / f"{name}.json").write_text(tables_json(written) + "\n")
    print(tables_markdown(written))


def _tables(test: str, records: list[ArmRun], work: Path, encodings: Encodings) -> list[ReportTable]:
    if test == "T0":
        return tables.surrogates(records, measured(work / "beds" / BEDS[test][0], records, encodings), TERMS)
    if test in VARIANTS:
        of, every = VARIANTS[test]
        records = [replace(record, held=tuple(one for one in record.held if not one.task)) for record in records]
        return [table for arms in every for table in _variants(records, arms, of)]
    records = without_variants(records)
    _draw(test, records)
    known = tables.gold(records, replace(TERMS, contrasts=CONTRASTS)) if test == "T6" else []
    arms = tables.noise if test in ("T3", "T3-rivals") else tables.targets
    return [*known, *arms(records, TERMS), null_checks(records, TERMS)]


def without_variants(records: list[ArmRun]) -> list[ArmRun]:
    """The runs but those that only a test of variants is about."""
    theirs = {arm for _, every in VARIANTS.values() for arms in every for arm in [*arms.values()][1:]}
    return [record for record in records if record.arm not in theirs]


def _variants(records: list[ArmRun], arms: Mapping[str, str], of: str) -> list[ReportTable]:
    """A table a bed of the variants that ran there, and of the mean over beds those that ran in all."""
    own: dict[tuple[str, float | None], list[ArmRun]] = {}
    for record in records:
        own.setdefault((record.bed, record.budget), []).append(record)
    ran = {bed: {label: arm for label, arm in arms.items() if _seeds(runs, arm) > 1} for bed, runs in own.items()}
    ran = {bed: there for bed, there in ran.items() if len(there) > 1}
    found = [table for bed, there in ran.items() for table in tables.variants(own[bed], there, TERMS, of=of)]
    shared = {label: arm for label, arm in arms.items() if all(label in there for there in ran.values())}
    if len(ran) > 1 and len(shared) > 1:
        found += tables.variants([run for bed in ran for run in own[bed]], shared, TERMS, of=of)[-1:]
    return found


def _seeds(records: list[ArmRun], arm: str) -> int:
    return len({record.seed for record in records if record.arm == arm})


def _draw(test: str, records: list[ArmRun]) -> None:
    """A picture a bed and budget, of its held-out rows, and one over the budgets: gold answers are in the tables.

    Words are those of the tables, which know of no headroom: some arms here are ahead of all that stands for the best.
    """
    judged = [judge_bed(bed, TERMS) for bed in beds(records)]
    for sets in budget_curves([one for one in judged if not one.task]):
        name = f"{test}-{sets[0].bed.name}"
        figures = [verdict_figure(compare_bed(one.bed, TERMS), name + _at(one, sets)) for one in sets]
        if len(sets) > 1:
            everywhere = set.intersection(*(set(one.bed.arms) for one in sets))
            shared = [replace(one.bed, arms={arm: one.bed.arms[arm] for arm in sorted(everywhere)}) for one in sets]
            figures.append(budget_figure([judge_bed(bed, TERMS) for bed in shared], f"{name}-budgets"))
        for figure in figures:
            write_text(HERE / "figures" / f"{figure.name}.svg", figure.svg())


def _at(one: JudgedSet, sets: Sequence[JudgedSet]) -> str:
    """What a picture's name ends with, but for the one of a tenth or of no other budget."""
    return f"-{100 * (one.bed.budget or 0):g}-percent" if len(sets) > 1 and one.bed.budget != 0.1 else ""


if __name__ == "__main__":
    main()
