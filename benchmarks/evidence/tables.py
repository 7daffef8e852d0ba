"""What was found, as Markdown for people and JSON for programs."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.evidence.comparison import Bed, Compared, Comparison, Plan, beds, compare, null_check
from benchmarks.evidence.records import Record, tokens_apart
from benchmarks.evidence.statistics import Estimate, Ratio, holm, over_beds, spearman
from benchmarks.evidence.statistics.verdicts import MOST_TOKENS_APART

from spice_select.errors import InputError

Line = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A heading, and how a line's value at `key` is shown."""

    heading: str
    key: str
    shown: Callable[[Any], str]


@dataclass(frozen=True)
class Table:
    """One Markdown table with its notes; its lines are the JSON."""

    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        rows = [[column.heading for column in self.columns], ["---"] * len(self.columns)]
        rows += [[column.shown(line.get(column.key)) for column in self.columns] for line in self.lines]
        parts = [f"**{self.title}**", "\n".join("| " + " | ".join(row) + " |" for row in rows)]
        return "\n\n".join([*parts, "\n".join(f"- {note}" for note in self.notes)]).rstrip() + "\n"


def markdown(tables: Sequence[Table]) -> str:
    """All of `tables`, one after the other."""
    return "\n".join(table.markdown() for table in tables)


def as_json(tables: Sequence[Table]) -> str:
    """All of `tables` as one JSON document; what is not a finite number is null."""
    raw = [{"title": table.title, "lines": table.lines, "notes": table.notes} for table in tables]
    return json.dumps(_finite(raw), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def targets(records: Sequence[Record], plan: Plan | None = None) -> list[Table]:
    """A table a bed: untuned, random, and every arm beside random."""
    return [_arms(one, ARM_COLUMNS) for one in compare(records, plan)]


def noise(records: Sequence[Record], plan: Plan | None = None) -> list[Table]:
    """As `targets`, with the share of spoilt rows among the picks, and of the way to a random draw of clean rows."""
    return [_arms(one, NOISE_COLUMNS) for one in compare(records, plan)]


def warm_up(records: Sequence[Record], arms: Mapping[str, str], plan: Plan | None = None) -> list[Table]:
    """One selector after other warm-ups: each beside random, and beside the first of `arms` (label → arm).

    A table a bed, and, where there are several, one of the mean over beds by the seeds that all of them share. The
    p-values of the arms against the first are Holm's.

    Raises:
        InputError: an arm that a bed lacks, or fewer than two shared seeds.
    """
    plan, found = plan or Plan(), beds(records)
    names = [plan.control, *arms.values()]
    for bed in found:
        if missing := [name for name in names if name not in bed.arms]:
            raise InputError(f"{bed.name}: has no runs of {missing}, only of {sorted(bed.arms)}. Run them first.")
    groups = [(f"{bed.name}, judged on {bed.held}", [bed]) for bed in found]
    if len(found) > 1:
        groups.append((f"mean over {len(found)} beds", found))
    return [_warm_up(title, group, arms, plan) for title, group in groups]


def _warm_up(title: str, group: Sequence[Bed], arms: Mapping[str, str], plan: Plan) -> Table:
    seeds = sorted(set.intersection(*(set(bed.shared(plan.control, *arms.values())) for bed in group)))
    if len(seeds) < 2:
        raise InputError(f"{[bed.name for bed in group]}: share seeds {seeds}; two are the least. Run more.")
    first, *others = arms.values()
    against = {arm: _over(group, first, arm, seeds, plan) for arm in others}
    ps = dict(zip(others, holm([estimate.p() for estimate in against.values()]), strict=True))
    lines: list[Line] = []
    for label, arm in arms.items():
        estimate = against.get(arm)
        lines.append(
            {
                "warm-up": label,
                "arm": arm,
                "loss": _mean_loss(group, arm, seeds, plan),
                "tokens": _farthest([_tokens_of(bed, arm, seeds, plan) for bed in group]),
                "difference": _estimate(_over(group, plan.control, arm, seeds, plan)),
                "over first": _estimate(estimate),
                "errors": _in_errors(estimate) if estimate else None,
                "p": ps.get(arm),
            }
        )
    notes = [f"{plan.endpoint.name}, lower is better; seeds {_listed(seeds)}; ± is half of the paired 95 % interval."]
    if any(abs(line["tokens"][1]) > MOST_TOKENS_APART for line in lines):
        notes.append(_marked(plan))
    return Table(title, WARM_UP_COLUMNS, tuple(lines), tuple(notes))


def _mean_loss(group: Sequence[Bed], arm: str, seeds: Sequence[int], plan: Plan) -> float:
    losses = [plan.endpoint.value(bed.arms[arm][seed].held) for bed in group for seed in seeds]
    return sum(losses) / len(losses)


def _tokens_of(bed: Bed, arm: str, seeds: Sequence[int], plan: Plan) -> tuple[float, float]:
    """Mean supervised tokens of `arm`, and by what share they differ from random's."""
    ours, theirs = ([bed.arms[one][seed] for seed in seeds] for one in (arm, plan.control))
    return sum(run.selection.supervised for run in ours) / len(ours), tokens_apart(ours, theirs)


def _farthest(tokens: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean tokens over beds, and the share of the bed that is farthest off."""
    return sum(mean for mean, _ in tokens) / len(tokens), max((apart for _, apart in tokens), key=abs)


def _over(group: Sequence[Bed], other: str, arm: str, seeds: Sequence[int], plan: Plan) -> Estimate:
    """`other` − `arm`, averaged over the beds of `group`."""
    return over_beds([bed.differences(other, arm, seeds, plan.endpoint) for bed in group])


def surrogates(
    records: Sequence[Record], values: Mapping[str, Mapping[int, float]], plan: Plan | None = None
) -> list[Table]:
    """Do `values` (name → seed → number), known before tuning, rank random's subsets as the tuned loss does.

    A table a bed. The supervised tokens of a subset are always among them: if they rank the losses, the subsets were
    not matched.

    Raises:
        InputError: a surrogate that lacks a subset, or too few subsets.
    """
    plan, tables = plan or Plan(), []
    for bed in beds(records):
        runs = bed.arms.get(plan.control, {})
        seeds = sorted(runs)
        known = {"supervised tokens": {seed: float(runs[seed].selection.supervised) for seed in seeds}, **values}
        losses = [plan.endpoint.value(runs[seed].held) for seed in seeds]
        found, dropped = {}, []
        for name, numbers in known.items():
            if missing := sorted(set(seeds) - set(numbers)):
                raise InputError(f"{name}: has no value for subsets {missing} of {bed.name}. Compute them, or drop it.")
            if len({numbers[seed] for seed in seeds}) == 1:
                dropped.append(f"{name} is the same for all subsets, and ranks nothing.")
            else:
                found[name] = spearman([numbers[seed] for seed in seeds], losses)
        adjusted = holm([one.p for one in found.values()])
        lines = [
            {"surrogate": name, "rho": one.rho, "p": one.p, "adjusted p": p, "subsets": one.count}
            for (name, one), p in zip(found.items(), adjusted, strict=True)
        ]
        notes = (f"Spearman's ρ with the tuned {plan.endpoint.name}: negative is a useful surrogate that grows.",)
        title = f"{bed.name}, judged on {bed.held}: {len(seeds)} random subsets"
        tables.append(Table(title, SURROGATE_COLUMNS, tuple(lines), (*notes, *dropped)))
    return tables


def null_checks(records: Sequence[Record], plan: Plan | None = None) -> Table:
    """A line a bed: random beside random (A/A), where any difference is a false one."""
    plan = plan or Plan()
    lines = []
    for bed in beds(records):
        one = null_check(bed, plan)
        lines.append(
            {
                "bed": f"{bed.name}, judged on {bed.held}",
                "first": one.first,
                "second": one.second,
                "left out": one.left_out,
                "difference": _estimate(one.difference),
                "p": one.difference.p(),
                "passed": one.passed(plan.alpha),
            }
        )
    note = f"{plan.endpoint.name}; a difference is found by chance in {plan.alpha:.0%} of such checks."
    return Table(f"{plan.control} beside {plan.control}", NULL_COLUMNS, tuple(lines), (note,))


def _arms(compared: Compared, columns: tuple[Column, ...]) -> Table:
    plan = compared.plan
    untuned = {"arm": plan.untuned, "loss": compared.untuned}
    lines = [untuned, *(_line(one, plan) for one in (compared.control, *compared.arms))]
    if math.isnan(compared.untuned):
        lines.remove(untuned)
    return Table(
        f"{compared.bed.name}, judged on {compared.bed.held}", columns, tuple(lines), tuple(_notes(compared, lines))
    )


def _line(one: Comparison, plan: Plan) -> Line:
    return {
        "arm": one.arm,
        "seeds": len(one.seeds),
        "subsets": one.subsets,
        "rows": one.rows,
        "supervised": one.supervised,
        "tokens": (one.supervised, one.apart),
        "tokens apart": one.apart,
        "loss": one.loss,
        "difference": _estimate(one.difference),
        "simultaneous": one.simultaneous,
        "bootstrap": one.bootstrap,
        "apart": one.simultaneous is not None and not one.simultaneous[0] <= 0 <= one.simultaneous[1],
        "recovered": _ratio(one.recovered),
        "adjusted p": one.p,
        "bad": one.bad,
        "way": _ratio(one.way),
        "verdict": "" if one.arm == plan.control else str(one.verdict),
    }


def _notes(compared: Compared, lines: Sequence[Line]) -> list[str]:
    plan = compared.plan
    notes = [
        f"{plan.endpoint.name}, in nats, lower is better; differences are {plan.control} − arm, paired by seed and "
        "row, ± half of the 95 % interval (closed form, seeds and rows crossed).",
        f"Verdicts: Holm over {compared.family} arms at {plan.alpha:g}; margin of equivalence {plan.margin:g}. The "
        "simultaneous intervals are Bonferroni's: one that leaves out zero says more than the verdict.",
        f"R is the difference over what {plan.control} gains on the untuned model, with Fieller's interval.",
    ]
    if math.isnan(compared.untuned):
        notes.append(f"No run of {plan.untuned!r}: no R.")
    if any(abs(line.get("tokens apart", 0.0)) > MOST_TOKENS_APART for line in lines):
        notes.append(_marked(plan))
    if unlike := [one.arm for one in compared.arms if _unlike(one)]:
        notes.append(f"The crossed bootstrap and the closed form disagree on whether 0 is inside: {', '.join(unlike)}.")
    if single := [one.arm for one in compared.arms if len(one.seeds) > 1 and one.subsets == 1]:
        notes.append(
            f"One and the same subset for every seed: {', '.join(single)}. Their intervals are about this subset of "
            "this pool, not about the method."
        )
    unpaired = {one.arm: one.left_out for one in compared.arms if one.left_out}
    notes += [
        f"{arm}: seeds {_listed(seeds)} have no {plan.control} run, and no difference."
        for arm, seeds in unpaired.items()
    ]
    return notes


def _unlike(one: Comparison) -> bool:
    if one.difference is None or one.bootstrap is None:
        return False
    closed, drawn = (low <= 0 <= high for low, high in (one.difference.interval(), one.bootstrap))
    return closed != drawn


def _marked(plan: Plan) -> str:
    return f"† its supervised tokens are more than {MOST_TOKENS_APART:.0%} off those of {plan.control}."


def _estimate(estimate: Estimate | None) -> Line | None:
    if estimate is None:
        return None
    low, high = estimate.interval()
    return {
        "mean": estimate.mean,
        "half": estimate.half(),
        "low": low,
        "high": high,
        "p": estimate.p(),
        "df": estimate.df,
    }


def _ratio(one: Ratio | None) -> Line | None:
    return None if one is None else {"value": one.value, "low": one.low, "high": one.high, "bounded": one.bounded}


def _in_errors(estimate: Estimate) -> float:
    return estimate.mean / estimate.error if estimate.error else math.nan


def _finite(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {key: _finite(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [_finite(value) for value in raw]
    return None if isinstance(raw, float) and not math.isfinite(raw) else raw


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _seeds(value: Sequence[int] | None) -> str:
    return _listed(value or ())


def _passed(value: bool) -> str:
    return "none found, as it should be" if value else "a false one"


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _tokens(value: tuple[float, float] | None) -> str:
    if value is None:
        return ""
    supervised, apart = value
    return f"{supervised:,.0f}" + (f" † ({apart:+.0%})" if abs(apart) > MOST_TOKENS_APART else "")


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _paired(value: Line | None) -> str:
    return "" if value is None else f"{value['mean']:+.4f} ± {value['half']:.4f}"


def _ends(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"[{value[0]:+.4f}, {value[1]:+.4f}]"


def _share(value: Line | None) -> str:
    """A ratio with its interval; words where there is nothing to be a share of."""
    if value is None:
        return ""
    if math.isnan(value["value"]):
        return "nothing to gain"
    ends = f"[{value['low']:+.2f}, {value['high']:+.2f}]" if value["bounded"] else "(unbounded)"
    return f"{value['value']:+.2f} {ends}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _chance(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if value >= 0.0001 else "< .0001"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


_HEAD = (
    Column("chosen by", "arm", _plain),
    Column("seeds", "seeds", _plain),
    Column("rows", "rows", _count),
    Column("supervised tokens", "tokens", _tokens),
)
_JUDGED = (
    Column("loss", "loss", _loss),
    Column("random − arm", "difference", _paired),
    Column("simultaneous 95 %", "simultaneous", _ends),
    Column("R", "recovered", _share),
)
_SAID = (Column("Holm's p", "adjusted p", _chance), Column("verdict", "verdict", _plain))
ARM_COLUMNS = (*_HEAD, *_JUDGED, *_SAID)
NOISE_COLUMNS = (
    *_HEAD,
    Column("spoilt picks", "bad", _percent),
    *_JUDGED,
    Column("way to clean random", "way", _share),
    *_SAID,
)
WARM_UP_COLUMNS = (
    Column("warm-up", "warm-up", _plain),
    Column("supervised tokens", "tokens", _tokens),
    Column("loss", "loss", _loss),
    Column("random − arm", "difference", _paired),
    Column("first − arm", "over first", _paired),
    Column("in standard errors", "errors", _signed),
    Column("Holm's p", "p", _chance),
)
SURROGATE_COLUMNS = (
    Column("surrogate", "surrogate", _plain),
    Column("ρ", "rho", _signed),
    Column("p", "p", _chance),
    Column("Holm's p", "adjusted p", _chance),
)
NULL_COLUMNS = (
    Column("bed", "bed", _plain),
    Column("seeds", "first", _seeds),
    Column("beside", "second", _seeds),
    Column("left out", "left out", _seeds),
    Column("difference", "difference", _paired),
    Column("p", "p", _chance),
    Column("said", "passed", _passed),
)
