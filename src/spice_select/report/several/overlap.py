"""How several choices overlap."""

from collections.abc import Mapping
from typing import Any

import altair as alt

from spice_select.report.page import PlotFigure
from spice_select.report.page.figure import DATA
from spice_select.report.page.looks import BLUE

MOST_OVERLAPS = 30
"""Choices that a figure has room for."""


def overlap_figure(overlap: Mapping[str, Mapping[str, float]]) -> PlotFigure:
    """Choice → other choice → Jaccard's index of their rows, as shades with numbers in them."""
    names = list(overlap)
    records: list[dict[str, Any]] = [
        {"one": one, "other": other, "share": share} for one in names for other, share in overlap[one].items()
    ]
    base = alt.Chart(alt.NamedData(DATA)).encode(
        x=alt.X("other:N", sort=names, title=None, axis=alt.Axis(labelAngle=-40, labelLimit=160)),
        y=alt.Y("one:N", sort=names, title=None, axis=alt.Axis(labelLimit=220)),
        tooltip=["one:N", "other:N", alt.Tooltip("share:Q", format=".1%")],
    )
    shade = alt.Opacity("share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0, 0.7]))
    closest = max(records, key=lambda record: record["share"])
    return PlotFigure(
        name="overlap",
        title="How the choices overlap",
        words="Rows that both chose, of those that either did. The most alike are "
        f"{closest['one']} and {closest['other']}, {closest['share']:.0%}.",
        chart=alt.layer(
            base.mark_rect(color=BLUE).encode(opacity=shade),
            base.mark_text(aria=False).encode(text=alt.Text("share:Q", format=".0%")),
        ),
        rows=records,
        height=90 + 30 * len(names),
    )
