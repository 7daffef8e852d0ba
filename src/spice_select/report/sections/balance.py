"""What the pool is made of and what the choice is made of: sources and lengths, before and after."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
from numpy.typing import NDArray

from spice_select.report.material import RunMaterial, filled
from spice_select.report.page import PlotFigure, Section
from spice_select.report.page.figure import DATA
from spice_select.report.page.labels import distinct_labels
from spice_select.report.page.looks import BLUE, ORANGE
from spice_select.run.summary import Mix, largest_sources

_SIDES = ("pool", "chosen")
_BINS_AN_OCTAVE = 2
_OCTAVES = alt.Scale(type="log", nice=False)
_STEPS = alt.Axis(values=[step * 10**power for power in range(7) for step in (1, 3)], format="~s")


def balance_section(material: RunMaterial) -> Section:
    """Sources and supervised tokens, in the pool and among the chosen."""
    figures = [*([_sources(material)] if len(material.summary.mix) > 1 else []), _lengths(material)]
    alone = "" if len(material.summary.mix) > 1 else "The rows name one source at most, so sources have no figure."
    body = filled("balance.html", figures=figures, alone=alone)
    return Section(name="balance", title="Before and after", body=body, figures=figures)


def _colours() -> alt.Scale:
    return alt.Scale(domain=list(_SIDES), range=[ORANGE, BLUE])


def _sources(material: RunMaterial) -> PlotFigure:
    summary = material.summary
    shown, known = largest_sources(summary.mix), len(summary.mix)
    labels = _labels([*shown, *summary.mix])
    names = [labels[one.source] for one in shown]
    records = [
        {"source": name, "share": share, "side": side, "rows": rows}
        for name, one in zip(names, shown, strict=True)
        for side, share, rows in (
            (_SIDES[0], one.rows / summary.usable, one.rows),
            (_SIDES[1], one.chosen_rows / summary.chosen, one.chosen_rows),
        )
    ]
    chart = (
        alt.Chart(alt.NamedData(DATA))
        .mark_bar()
        .encode(
            y=alt.Y("source:N", title=None, sort=list(names), axis=alt.Axis(labelLimit=150)),
            yOffset=alt.YOffset("side:N", sort=list(_SIDES)),
            x=alt.X("share:Q", title="share of the rows", axis=alt.Axis(format="%")),
            color=alt.Color("side:N", title=None, scale=_colours(), sort=list(_SIDES)),
            tooltip=["source:N", "side:N", "rows:Q", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return PlotFigure(
        name="sources",
        title="Sources",
        words=_moved(summary.mix, labels, summary.usable, summary.chosen),
        note=f"The {len(shown) - 1} largest of {known:,} sources; all others as one." if known > len(shown) else "",
        chart=chart,
        rows=records,
        height=max(200, 44 * len(shown) + 60),
    )


def _labels(mix: Sequence[Mix]) -> dict[str, str]:
    """The sources as the figure and its words call them."""
    sources = list(dict.fromkeys(one.source for one in mix))
    return dict(zip(sources, distinct_labels(sources, 40, empty="(none)"), strict=True))


def _moved(mix: Sequence[Mix], labels: Mapping[str, str], usable: int, chosen: int) -> str:
    """Which source gained most and which lost most, in words."""

    def shift(one: Mix) -> float:
        return one.chosen_rows / chosen - one.rows / usable

    up, down = max(mix, key=shift), min(mix, key=shift)

    def told(one: Mix) -> str:
        before, after = one.rows / usable, one.chosen_rows / chosen
        return f"{labels[one.source]} from {before:.1%} of the pool to {after:.1%} of the choice"

    return f"Gained most: {told(up)}. Lost most: {told(down)}."


def _lengths(material: RunMaterial) -> PlotFigure:
    pool = {} if isinstance(material.candidates, str) else {_SIDES[0]: material.candidates.supervised}
    sides = {**pool, _SIDES[1]: material.picks["supervised_tokens"]}
    edges = _edges(np.concatenate(list(sides.values())))
    records = [
        {"least": int(low), "end": int(high), "share": float(count) / len(values), "side": side, "rows": int(count)}
        for side, values in sides.items()
        for low, high, count in zip(edges[:-1], edges[1:], np.histogram(values, edges)[0], strict=True)
    ]
    summary = material.summary
    chart = (
        alt.Chart(alt.NamedData(DATA))
        .mark_bar(binSpacing=1, opacity=0.6)
        .encode(
            x=alt.X("least:Q", bin="binned", title="supervised tokens of a row", scale=_OCTAVES, axis=_STEPS),
            x2="end:Q",
            y=alt.Y("share:Q", stack=None, title="share of the rows", axis=alt.Axis(format="%")),
            color=alt.Color("side:N", title=None, scale=_colours(), sort=list(_SIDES)),
            tooltip=["side:N", "least:Q", "end:Q", "rows:Q", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    gone = "Of the chosen rows alone: the pool's lengths lie with its gradients, which are not here." * (len(sides) < 2)
    return PlotFigure(
        name="lengths",
        title="Lengths",
        words=f"The median row is trained on {summary.median_response:,.0f} tokens in the pool, on "
        f"{summary.chosen_median_response:,.0f} among the chosen.",
        note=gone,
        chart=chart,
        rows=records,
    )


def _edges(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Edges of bins of equal ratio, whole numbers from 1 on, none twice; the last lies above the largest value."""
    octaves = np.log2(max(2, int(values.max()) + 1))
    steps = 2.0 ** np.linspace(0, octaves, int(np.ceil(octaves * _BINS_AN_OCTAVE)) + 1)
    edges = np.unique(np.ceil(steps).astype(np.int64))
    edges[-1] = max(edges[-1], int(values.max()) + 1)
    return edges
