"""What several choices are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from spice_select.report.page import PlotFigure
from spice_select.report.page.figure import DATA
from spice_select.report.page.labels import distinct_labels
from spice_select.report.page.looks import GREY, GROUP_COLOURS

_SOURCES = len(GROUP_COLOURS)  # the largest; the others are counted together
_OTHERS = "the others"
_SAID = 4  # choices that are told in words too


def source_shares_figure(choices: Mapping[str, Mapping[str, int]]) -> PlotFigure:
    """Choice → source → rows, as bars of shares."""
    total: dict[str, int] = {}
    for sources in choices.values():
        for source, rows in sources.items():
            total[source] = total.get(source, 0) + rows
    largest = sorted(total, key=lambda source: -total[source])[:_SOURCES]
    labels = distinct_labels(largest, 40, empty="(none)", taken=[_OTHERS])
    named = dict(zip(largest, labels, strict=True))
    records = list[dict[str, Any]]()
    for name, sources in choices.items():
        shares = dict.fromkeys([*named.values(), *([_OTHERS] if len(total) > _SOURCES else [])], 0)
        for source, rows in sources.items():
            shares[named.get(source, _OTHERS)] += rows
        whole = max(1, sum(sources.values()))
        records += [{"choice": name, "source": source, "share": rows / whole} for source, rows in shares.items()]
    order = list(dict.fromkeys(record["source"] for record in records))
    chart = (
        alt.Chart(alt.NamedData(DATA))
        .mark_bar(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X("share:Q", stack="zero", title="share of rows", axis=alt.Axis(format=".0%", tickCount=8)),
            y=alt.Y("choice:N", sort=list(choices), title=None, axis=alt.Axis(labelLimit=220)),
            color=alt.Color(
                "source:N",
                title=None,
                sort=order,
                scale=alt.Scale(domain=order, range=[*GROUP_COLOURS, GREY][: len(order)]),
            ),
            tooltip=["choice:N", "source:N", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    said = "; ".join(
        f"{name}: " + ", ".join(f"{one['source']} {one['share']:.0%}" for one in _of(records, name))
        for name in list(choices)[:_SAID]
    )
    others = f"; {len(choices) - _SAID} more are drawn" * (len(choices) > _SAID)
    return PlotFigure(
        name="source-shares",
        title="Sources of the rows",
        words=f"{said}{others}.",
        note=f"The largest {_SOURCES} of {len(total):,} sources; all others as one." * (len(total) > _SOURCES),
        chart=chart,
        rows=records,
        height=60 + 28 * len(choices),
    )


def _of(records: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """The sources that a choice has rows of."""
    return [one for one in records if one["choice"] == name and one["share"]]
