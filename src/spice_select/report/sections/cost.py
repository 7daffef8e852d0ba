"""What each stage of the run took."""

import altair as alt

from spice_select.report.material import RunMaterial, filled
from spice_select.report.page import PlotFigure, Section
from spice_select.report.page.figure import DATA
from spice_select.report.page.looks import BLUE
from spice_select.report.sections.verdict import spent
from spice_select.settings.counted import counted


def cost_section(material: RunMaterial) -> Section:
    """Seconds by stage, in the order in which they came."""
    seconds = material.summary.seconds
    whole, longest = sum(seconds.values()), max(seconds, key=lambda stage: seconds[stage])
    machine = material.manifest["machine"]
    threads = counted(machine["threads"], "thread")
    chart = (
        alt.Chart(alt.NamedData(DATA))
        .mark_bar(color=BLUE)
        .encode(
            y=alt.Y("stage:N", title=None, sort=list(seconds)),
            x=alt.X("seconds:Q", title="seconds"),
            tooltip=["stage:N", alt.Tooltip("seconds:Q", format=",.1f")],
        )
    )
    figure = PlotFigure(
        name="cost",
        title="Time by stage",
        words=f"{spent(whole)} in all, {seconds[longest] / whole if whole else 0:.0%} of it for {longest}. On "
        f"{material.identity['device']}, {threads}, {machine['platform']}.",
        note="What was computed before an interruption, or taken from a run beside this one, is not counted.",
        chart=chart,
        rows=[{"stage": stage, "seconds": value} for stage, value in seconds.items()],
        height=max(120, 26 * len(seconds) + 40),
    )
    return Section(name="cost", title="What it took", body=filled("one_figure.html", one=figure), figures=(figure,))
