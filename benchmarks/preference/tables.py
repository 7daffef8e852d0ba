"""What was found, as tables: for people in Markdown, for programs as JSON."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from benchmarks.preference.tuning import BETA
from benchmarks.training.table import interval

from spice_select.comparison.report_table import Column, Line, ReportTable
from spice_select.data.records import PairExample
from spice_select.evaluation.preference import PairLogProbs, preference_scores

MEASURES = {
    "turned": "turned labels",
    "of twins": "of twins",
    "both taken": "both twins taken",
    "longer preferred": "longer preferred",
    "tokens longer": "tokens longer",
}
"""What a bed's line may measure, and its heading."""


def bed_table(title: str, lines: Sequence[dict[str, Any]]) -> ReportTable:
    """A line for all rows and for each λ, of every pair gradient."""
    measured = [name for name in MEASURES if name in lines[0]]
    columns = [Column(name, name, str) for name in ("bed", "pair gradient", "picks", "rows")]
    columns += [Column(MEASURES[name], name, _tokens if name == "tokens longer" else _share) for name in measured]
    note = f"Means over {lines[0]['draws']} draws of the labels on one set of pairs; ± is a standard error over draws."
    return ReportTable(title, tuple(columns), tuple(dict(line) for line in lines), (note,))


def _share(value: list[float]) -> str:
    return f"{100 * value[0]:.1f} % ± {100 * value[1]:.1f}"


def _tokens(value: list[float]) -> str:
    return f"{value[0]:+.1f} ± {value[1]:.1f}"


def judged(result: dict[str, Any], untuned: dict[str, Any], held: Sequence[PairExample]) -> dict[str, float]:
    """A tuned model's scores on the held-out pairs, as `spice evaluate` takes them."""
    found, first = (_log_probs(one, held) for one in (result, untuned))
    scores = preference_scores(found, first, beta=BETA)[0]
    named = {
        "accuracy": scores.accuracy,
        "margin": scores.margin,
        "free accuracy": scores.free_accuracy,
        "displacement": scores.displacement,
    }
    return {name: estimate.value for name, estimate in named.items() if estimate is not None}


def _log_probs(result: dict[str, Any], held: Sequence[PairExample]) -> PairLogProbs:
    order = np.argsort([pair.row for pair in held])
    return PairLogProbs(
        rows=np.array([held[place].row for place in order]),
        prompts=tuple(held[place].prompt for place in order),
        log_probs=np.array(result["log_probs"])[order],
        tokens=np.array([[side.num_supervised for side in held[place].sequences] for place in order]),
        truncated=0,
        dropped={},
        tokenizer="",
    )


def tuned_table(results: Sequence[dict[str, Any]], held: Sequence[PairExample]) -> ReportTable:
    """A line an arm: means over its seeds, and its margin and accuracy beside random's of the same seeds."""
    untuned = next(one for one in results if one["arm"] == "untuned")
    scores = {(one["arm"], one["seed"]): judged(one, untuned, held) for one in results if one is not untuned}
    lines = []
    for arm in dict.fromkeys(one["arm"] for one in results if one is not untuned):
        own = {one["seed"]: one for one in results if one["arm"] == arm}
        shared = [seed for seed in own if ("random", seed) in scores]
        line: Line = {"arm": arm, "seeds": len(own), "rows": len(next(iter(own.values()))["rows"])}
        for fact in ("supervised", "seconds"):
            line[fact] = sum(one[fact] for one in own.values()) / len(own)
        for name in ("accuracy", "margin", "free accuracy", "displacement"):
            line[name] = interval([scores[arm, seed][name] for seed in own])
        for name in ("accuracy", "margin"):
            apart = [scores[arm, seed][name] - scores["random", seed][name] for seed in shared]
            line[f"{name} over random"] = interval(apart) if arm != "random" and apart else None
        lines.append(line)
    free = float(np.mean([a / x > b / y for (a, b), (x, y) in zip(untuned["log_probs"], _lengths(held), strict=True)]))
    prompts = len({pair.prompt for pair in held})
    note = (
        f"{len(held)} held-out pairs of {prompts} prompts; accuracy and margin are relative to the untuned model, "
        f"whose accuracy without a reference is {free:.3f}. ± is half of a 95 % interval over seeds (Student's t), of "
        "differences by seed."
    )
    return ReportTable("Tuned by DPO", _TUNED, tuple(lines), (note,))


def _lengths(held: Sequence[PairExample]) -> list[tuple[int, int]]:
    return [(pair.chosen.num_supervised, pair.rejected.num_supervised) for pair in held]


def _spread(value: tuple[float, float] | None, digits: int = 3, sign: str = "") -> str:
    if value is None:
        return ""
    mean, half = value
    return f"{mean:{sign}.{digits}f}" + ("" if math.isnan(half) else f" ± {half:.{digits}f}")


def _apart(value: tuple[float, float] | None) -> str:
    return _spread(value, sign="+")


def _nats(value: tuple[float, float]) -> str:
    return _spread(value, 1, "+")


def _whole(value: float) -> str:
    return f"{value:,.0f}"


_TUNED = (
    Column("chosen by", "arm", str),
    Column("seeds", "seeds", str),
    Column("pairs", "rows", str),
    Column("supervised tokens", "supervised", _whole),
    Column("accuracy", "accuracy", _spread),
    Column("over random", "accuracy over random", _apart),
    Column("margin βΔ", "margin", _spread),
    Column("over random", "margin over random", _apart),
    Column("accuracy without reference", "free accuracy", _spread),
    Column("log π of the chosen answer", "displacement", _nats),
    Column("tuning s", "seconds", _whole),
)
