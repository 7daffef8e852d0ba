"""What each pick added: its gain and ε against its rank, and its gain against its conflict."""

from typing import Any

import altair as alt

from spice_select.methods import METHODS
from spice_select.methods.spice import Spice
from spice_select.report.material import RunMaterial, filled, untold_section
from spice_select.report.page import PlotFigure, Section
from spice_select.report.page.figure import DATA
from spice_select.report.page.looks import BLUE, GREY, VERMILLION
from spice_select.selection import LogDet, Objective
from spice_select.selection.objectives.base import Scaled

_NAME, _TITLE = "gains", "What each pick added"
_LITTLE = 0.1  # conflict that the axis shows at least


def gains_section(material: RunMaterial) -> Section:
    """Gain and ε by rank, with the line of the early stop, and gain by conflict."""
    if "gain" not in material.picks:
        why = f"--method {material.summary.method} takes no gradients, so nothing says what each pick added."
        return untold_section(_NAME, _TITLE, why)
    figures = (_by_rank(material), _by_conflict(material))
    return Section(
        name=_NAME, title=_TITLE, body=filled("gains.html", figures=figures, worth=_worth(material)), figures=figures
    )


def _objective(material: RunMaterial) -> type[Objective]:
    """What gains are of; of methods that pick by no objective, log det, by which they are judged."""
    method = METHODS[material.summary.method].of(material.settings.flat())
    return method.objective if isinstance(method, Spice) else LogDet


def _worth(material: RunMaterial) -> str:
    objective = _objective(material)
    return objective.worth if issubclass(objective, Scaled) else "what it adds to the picks before it"


def _nats(material: RunMaterial) -> str:
    """Log det is in nats; shares of an uncertainty have no unit."""
    return " nats" if _objective(material) is LogDet else ""


def _unit(material: RunMaterial) -> str:
    return "gain, nats" if _nats(material) else "gain"


def _note(material: RunMaterial) -> str:
    drawn = len(material.drawn)
    return "" if drawn == material.chosen else f"{drawn:,} of {material.chosen:,} picks are drawn, in even steps."


def _by_rank(material: RunMaterial) -> PlotFigure:
    picks, drawn = material.picks, material.drawn
    named = {"gain": "marginal gain", "epsilon": "ε, lost to earlier picks"}
    records = [
        {"rank": int(picks["rank"][place]), "value": float(picks[name][place]), "what": what}
        for name, what in named.items()
        for place in drawn
    ]
    colours = alt.Scale(domain=list(named.values()), range=[BLUE, VERMILLION])
    lines = alt.Chart(alt.NamedData(DATA)).encode(
        x=alt.X("rank:Q", title="rank of the pick", scale=alt.Scale(nice=False)),
        y=alt.Y("value:Q", title=_unit(material)),
        color=alt.Color("what:N", title=None, scale=colours),
        tooltip=["rank:Q", "what:N", alt.Tooltip("value:Q", format=".4g")],
    )
    pooled = bool((picks["pool"] != picks["pool"][0]).any())
    marked = lines.mark_point(filled=True, size=12, opacity=0.6, aria=False) if pooled else _joined(lines, len(drawn))
    stop, told = _stop_line(material, pooled=pooled)
    return PlotFigure(
        name="gain-by-rank",
        title="Gain and ε by rank",
        words=f"The first pick gained {picks['gain'][0]:.4g}{_nats(material)}, the last {picks['gain'][-1]:.4g}. "
        f"{told}",
        note=_note(material),
        chart=alt.layer(marked, *stop),
        rows=records,
    )


def _joined(lines: alt.Chart, count: int) -> Any:
    """A line; few picks have points on it."""
    return lines.mark_line(strokeWidth=2, point=count <= 60, aria=False)


def _stop_line(material: RunMaterial, *, pooled: bool) -> tuple[list[alt.Chart], str]:
    """The gain at which ω ends, or would end, the run, as a line and in words; none from pool to pool."""
    if pooled:
        return [], "Each pool starts anew, so gains rise and fall with the pools."
    asked, gained = material.settings.spice.stop_ratio, material.picks["gain"]
    omega = asked or 0.5
    height = omega * float(gained[0])
    below = int((gained[1:] <= height).argmax()) + 2 if (gained[1:] <= height).any() else 0
    if asked:
        told = f"The dashed line is the early stop that was asked for, ω = {omega:g} of the first gain."
    elif below:
        told = f"The dashed line is half the first gain: an early stop (--stop-ratio 0.5) would end at pick {below:,}."
    else:
        told = "The dashed line is half the first gain, where --stop-ratio 0.5 would end: it is not reached."
    line = alt.Chart().mark_rule(strokeDash=[6, 4], color=GREY, strokeWidth=1.5, aria=False)
    return [line.encode(y=alt.datum(height))], told


def _by_conflict(material: RunMaterial) -> PlotFigure:
    picks, drawn = material.picks, material.drawn
    records = [
        {
            "gain": float(picks["gain"][place]),
            "conflict": float(picks["conflict"][place]),
            "rank": int(picks["rank"][place]),
            "row": int(picks["row"][place]),
            "source": str(picks["source"][place])[:80],
            "text": material.words[int(place)].first,
        }
        for place in drawn
    ]
    against = int((picks["conflict"] > 0).sum())
    reach = alt.Scale(domain=[0, max(_LITTLE, float(picks["conflict"].max()))])
    chart = (
        alt.Chart(alt.NamedData(DATA))
        .mark_point(filled=True, size=36, opacity=0.65, color=BLUE, aria=False)
        .encode(
            x=alt.X("conflict:Q", title="conflict with the picks before", scale=reach),
            y=alt.Y("gain:Q", title=_unit(material), scale=alt.Scale(zero=False)),
            tooltip=["rank:Q", "row:Q", "source:N", _short("gain"), _short("conflict"), "text:N"],
        )
    )
    return PlotFigure(
        name="gain-by-conflict",
        title="Gain against conflict",
        words=f"{against:,} of {len(picks['gain']):,} picks oppose the mean gradient of those before them (conflict "
        "above 0). Point at a pick to read it; the table below has them all in words.",
        note=_note(material),
        chart=chart,
        rows=records,
    )


def _short(name: str) -> alt.Tooltip:
    return alt.Tooltip(f"{name}:Q", format=".4g")
