"""Each arm beside random on one held-out set, as a figure and as a table."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from spice_select.comparison.compared import Compared, Comparison
from spice_select.comparison.judged_set import JudgedSet
from spice_select.comparison.ruling import Ruling
from spice_select.comparison.statistics import CrossedEstimate
from spice_select.report.page import PlotFigure
from spice_select.report.page.figure import DATA
from spice_select.report.page.looks import BLUE, GREEN, GREY, ORANGE, PINK, VERMILLION
from spice_select.settings.counted import counted

WORDS = {
    "better": (GREEN, "circle"),
    "worse": (VERMILLION, "cross"),
    "equivalent": (BLUE, "square"),
    "undecided": (ORANGE, "diamond"),
    "cannot tell": (PINK, "triangle-up"),
    "no verdict": (GREY, "triangle-down"),
}
"""Colour and shape of each verdict."""
THIN, THICK = 1.2, 4
_BELOW = 9  # pixels from an arm's bar to the dots of its seeds, which it would hide


def verdict_figures(ruling: Ruling) -> list[PlotFigure]:
    """A figure for the primary set of each bed and budget: `verdict_figure`."""
    return [verdict_figure(one.compared, name) for name, one in numbered("verdicts", ruling.primaries)]


def numbered(name: str, sets: Sequence[JudgedSet]) -> list[tuple[str, JudgedSet]]:
    """Each set with the name of its figure: a number behind it where there are several."""
    names = [name] if len(sets) == 1 else [f"{name}-{place}" for place in range(1, len(sets) + 1)]
    return list(zip(names, sets, strict=True))


def verdict_figure(compared: Compared, name: str = "verdicts") -> PlotFigure:
    """Each arm's gain over random with its intervals, a faint dot a seed.

    Thick bars are the arm's own 95 % interval, thin ones hold together with those of the other arms. Arms that share
    fewer than two seeds with random have no place on the axis; the note names them.
    """
    terms, arms = compared.terms, placed(compared)
    order = [_label(arm) for arm, _ in arms]
    words = [word for word in WORDS if any(arm.verdict.word == word for arm, _ in arms)]
    base = alt.Chart(alt.NamedData(DATA)).encode(
        y=alt.Y("arm:N", sort=order, title=None, axis=alt.Axis(labelLimit=220)),
        color=_scaled(alt.Color, words, 0, legend=alt.Legend(symbolSize=80)),
    )
    axis = [terms.endpoint.name, f"{terms.control} − arm, {terms.unit(compared.bed.held)} (right is better)"]
    ticks = alt.Axis(tickCount=5)  # more would leave out labels, and zero's among them
    ends = {"x": alt.X("low:Q", title=axis, axis=ticks), "x2": "high:Q"}
    kinds = {kind: base.transform_filter(f"datum.kind == '{kind}'") for kind in ("seed", "own", "together")}
    layers = [
        alt.Chart(alt.InlineData(values=[{"low": -terms.margin, "high": terms.margin}]))
        .mark_rect(color=GREY, opacity=0.15)
        .encode(x="low:Q", x2="high:Q"),
        alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=GREY).encode(x=alt.X("zero:Q")),
        kinds["seed"]
        .mark_circle(size=28, opacity=0.6, yOffset=_BELOW, aria=False)
        .encode(x=alt.X("mean:Q", title=axis)),
        kinds["together"].mark_rule(strokeWidth=THIN, aria=False).encode(**ends),
        kinds["own"].mark_rule(strokeWidth=THICK, aria=False).encode(**ends),
        kinds["own"]
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            x=alt.X("mean:Q", title=axis),
            shape=_scaled(alt.Shape, words, 1, legend=None),
            tooltip=["arm:N", "verdict:N", _number("mean"), _number("low"), _number("high")],
        ),
    ]
    return PlotFigure(
        name=name,
        title=compared.bed.title,
        words=_words(compared),
        note=_note(compared),
        chart=alt.layer(*layers),
        rows=[record for arm, difference in arms for record in _records(arm, difference)],
        height=60 + 34 * max(1, len(arms)),
    )


def placed(compared: Compared) -> list[tuple[Comparison, CrossedEstimate]]:
    """The arms that have a difference from random, with it, the best first."""
    return [(arm, arm.difference) for arm in compared.arms if arm.difference is not None]


def half_interval(arm: Comparison) -> float:
    """Half of the 95 % interval of an arm's difference from random; 0 where there is none."""
    return arm.difference.half() if arm.difference else 0.0


def set_title(one: JudgedSet) -> str:
    """What losses on a set are called on an axis."""
    return f"{one.compared.terms.endpoint.name}, {one.compared.terms.unit(one.bed.held)}"


def _label(arm: Comparison) -> str:
    return f"{arm.arm} ({counted(len(arm.seeds), 'seed')})"


def _scaled(channel: Any, words: list[str], which: int, **more: Any) -> Any:
    scale = alt.Scale(domain=words, range=[WORDS[word][which] for word in words])
    return channel("word:N", title=None, scale=scale, **more)


def _number(name: str) -> alt.Tooltip:
    return alt.Tooltip(f"{name}:Q", format="+.4f")


def _records(arm: Comparison, difference: CrossedEstimate) -> list[dict[str, Any]]:
    said = {"arm": _label(arm), "word": arm.verdict.word, "verdict": str(arm.verdict), "mean": difference.mean}
    found = [{**said, "kind": "seed", "mean": value} for value in arm.by_seed]
    for kind, ends in (("together", arm.simultaneous), ("own", difference.interval())):
        if ends is not None:
            found.append({**said, "kind": kind, "low": ends[0], "high": ends[1]})
    return found


def _words(compared: Compared) -> str:
    terms = compared.terms
    beside = [f"{terms.control} {compared.control.loss:.4f}"]
    if not math.isnan(compared.untuned):
        beside.append(f"untuned {compared.untuned:.4f}")
    said = [f"{arm.arm} {difference.mean:+.4f} ({arm.verdict.word})" for arm, difference in placed(compared)]
    return (
        f"Loss of {', '.join(beside)}. {terms.control} less each arm, the best first: {'; '.join(said) or 'none'}. "
        f"Thick bars are an arm's own 95 % interval, thin ones hold for all arms together, dots are seeds, grey is the "
        f"margin of {terms.margin:g} within which arms are as good as equal."
    )


def _note(compared: Compared) -> str:
    absent = [arm.arm for arm in compared.arms if arm.difference is None]
    return f"Not shown, too few seeds: {', '.join(absent)}." if absent else ""
