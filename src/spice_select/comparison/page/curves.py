"""Loss against what it cost, and against the budget."""

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

from spice_select.comparison.judged_set import JudgedSet
from spice_select.comparison.page.verdicts import WORDS, half_interval, numbered, set_title
from spice_select.comparison.ruling import Ruling
from spice_select.report.page import PlotFigure
from spice_select.report.page.figure import DATA
from spice_select.report.page.looks import GREY, GROUP_COLOURS, GROUP_SHAPES

_SIDES: tuple[tuple[Literal["left", "right"], int], ...] = (("left", 8), ("right", -8))
WIDE = 10
"""Costs further apart than this factor stand on a logarithmic axis."""


def cost_figures(ruling: Ruling) -> list[PlotFigure]:
    """A figure for the primary set of each bed and budget: `cost_figure`."""
    return [cost_figure(one, name) for name, one in numbered("costs", ruling.primaries)]


def cost_figure(one: JudgedSet, name: str = "costs") -> PlotFigure:
    """The loss of each arm over the FLOPs, or else the seconds, of its choice and its tuning.

    Bars are as wide as the 95 % interval of the difference from random, whose own loss is the dashed line.
    """
    terms, arms = one.compared.terms, [one.compared.control, *one.compared.arms]
    counted = all(arm.flops is not None for arm in arms)
    what = "FLOPs" if counted else "seconds"
    records = list[dict[str, Any]]()
    for arm in arms:
        cost, word = arm.flops if counted else arm.seconds, "" if arm is one.compared.control else arm.verdict.word
        half = half_interval(arm)
        ends = {"low": arm.loss - half, "high": arm.loss + half}
        records.append({"arm": arm.arm, "cost": cost, "loss": arm.loss, "word": word or terms.control, **ends})
    costs = [float(record["cost"]) for record in records]
    for place, record in enumerate(sorted(records, key=lambda record: record["cost"])):
        record["side"] = ("left", "right")[place % 2]  # of its point, so that names of neighbours stand apart
    apart = max(costs) > WIDE * min(costs) > 0
    kinds = {terms.control: (GREY, "circle"), **WORDS}
    used = [word for word in kinds if any(record["word"] == word for record in records)]
    base = alt.Chart(alt.NamedData(DATA)).encode(
        x=alt.X(
            "cost:Q",
            title=f"{what} of choice and tuning",
            scale=alt.Scale(type="log" if apart else "linear", zero=False, padding=40),
            axis=alt.Axis(format="~g" if not counted else ".1e", tickCount=5),
        ),
        color=alt.Color("word:N", title=None, scale=alt.Scale(domain=used, range=[kinds[word][0] for word in used])),
    )
    loss = alt.Y("loss:Q", title=set_title(one), scale=alt.Scale(zero=False))
    layers = [
        alt.Chart(alt.InlineData(values=[{"loss": one.compared.control.loss}]))
        .mark_rule(color=GREY, strokeDash=[6, 4])
        .encode(y=loss),
        base.mark_rule(strokeWidth=1.5, aria=False).encode(y=alt.Y("low:Q", title=set_title(one)), y2="high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(
            y=loss,
            shape=alt.Shape(
                "word:N", legend=None, scale=alt.Scale(domain=used, range=[kinds[word][1] for word in used])
            ),
            tooltip=["arm:N", alt.Tooltip("cost:Q", format=".3~g"), alt.Tooltip("loss:Q", format=".4f")],
        ),
        *(
            base.transform_filter(f"datum.side == '{side}'")
            .mark_text(align=side, dx=away, dy=-8, aria=False)
            .encode(y=loss, text="arm:N")
            for side, away in _SIDES
        ),
    ]
    told = ", ".join(f"{record['arm']} {record['loss']:.4f} for {record['cost']:.3g}" for record in records)
    return PlotFigure(
        name=name,
        title=f"Loss against cost, {one.bed.title}",
        words=f"Loss for {what} of choice and tuning: {told}. Lower and further left is better; the dashed line is "
        f"{terms.control}'s loss, bars are as wide as the 95 % interval of the difference from it.",
        chart=alt.layer(*layers),
        rows=records,
        height=340,
    )


def budget_figures(ruling: Ruling) -> list[PlotFigure]:
    """For each bed that was judged at several budgets: the loss of each arm over the budget."""
    curves = [sets for sets in budget_curves(ruling.primaries) if len(sets) > 1]
    return [budget_figure(sets, f"budgets-{place}") for place, sets in enumerate(curves, start=1)]


def budget_curves(sets: Sequence[JudgedSet]) -> list[list[JudgedSet]]:
    """The sets of one bed and held-out set, the smallest budget first."""
    grouped: dict[tuple[str, str], list[JudgedSet]] = {}
    for one in sets:
        grouped.setdefault((one.bed.name, one.bed.held), []).append(one)
    return [sorted(group, key=lambda one: one.bed.budget or 0) for group in grouped.values()]


def budget_figure(sets: Sequence[JudgedSet], name: str) -> PlotFigure:
    """The loss of each arm over the budget, of one bed's sets at several.

    Bars are as wide as the 95 % interval of the difference from random.
    """
    given = sets[0].compared.terms.equal
    records = list[dict[str, Any]]()
    for one in sets:
        for arm in (one.compared.control, *one.compared.arms):
            half, budget = half_interval(arm), 100 * (one.bed.budget or 0)
            ends = {"low": arm.loss - half, "high": arm.loss + half}
            records.append({"arm": arm.arm, "budget": budget, "loss": arm.loss, **ends})
    arms = list(dict.fromkeys(record["arm"] for record in records))
    colours = [GROUP_COLOURS[place % len(GROUP_COLOURS)] for place in range(len(arms))]
    shapes = [GROUP_SHAPES[place % len(GROUP_SHAPES)] for place in range(len(arms))]
    base = alt.Chart(alt.NamedData(DATA)).encode(
        x=alt.X("budget:Q", title=f"% of the pool's {given}", scale=alt.Scale(type="log", padding=20)),
        color=alt.Color("arm:N", title=None, scale=alt.Scale(domain=arms, range=colours)),
    )
    loss = alt.Y("loss:Q", title=set_title(sets[0]), scale=alt.Scale(zero=False))
    layers = [
        base.mark_rule(aria=False).encode(y=alt.Y("low:Q", title=set_title(sets[0])), y2="high:Q"),
        base.mark_line(strokeWidth=2, aria=False).encode(y=loss),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            y=loss,
            shape=alt.Shape("arm:N", title=None, scale=alt.Scale(domain=arms, range=shapes)),
            tooltip=["arm:N", alt.Tooltip("budget:Q", format=".3~g"), alt.Tooltip("loss:Q", format=".4f")],
        ),
    ]
    budgets = ", ".join(f"{100 * (one.bed.budget or 0):.3g} %" for one in sets)
    return PlotFigure(
        name=name,
        title=f"Loss against the budget, {sets[0].bed.name} judged on {sets[0].bed.held}",
        words=f"Loss of each arm at {budgets} of the pool's {given}; bars are as wide as the 95 % interval of the "
        "difference from random.",
        chart=alt.layer(*layers),
        rows=records,
        height=340,
    )
