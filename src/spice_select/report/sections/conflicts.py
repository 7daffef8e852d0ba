"""Whether the first picks pull together: the cosine of every two of them."""

import altair as alt
import numpy as np

from spice_select.report.material import RunMaterial, filled, untold_section
from spice_select.report.page import PlotFigure, Section
from spice_select.report.page.figure import DATA
from spice_select.report.page.looks import BLUE, VERMILLION

_NAME, _TITLE = "conflicts", "Do the picks pull together?"
_TOP = 30
_PULLS = alt.Scale(domain=["agree", "oppose"], range=[BLUE, VERMILLION])


def conflicts_section(material: RunMaterial) -> Section:
    """The cosines of the first picks' gradients, two by two."""
    candidates = material.candidates
    if isinstance(candidates, str):
        return untold_section(_NAME, _TITLE, candidates)
    if material.chosen < 2:
        return untold_section(_NAME, _TITLE, "One row alone agrees with itself.")
    figure = _heatmap(material, candidates.matrix.rows(material.places[:_TOP]))
    return Section(name=_NAME, title=_TITLE, body=filled("conflicts.html", one=figure), figures=(figure,))


def _heatmap(material: RunMaterial, rows: np.ndarray) -> PlotFigure:
    lengths = np.linalg.norm(rows, axis=1)
    unit = np.divide(rows, lengths[:, None], out=np.zeros_like(rows), where=lengths[:, None] > 0)
    cosines = np.clip(unit @ unit.T, -1, 1)
    pairs = np.triu_indices(len(rows), 1)
    records = [
        {
            "one": i + 1,
            "other": j + 1,
            "cosine": round(float(cosines[i, j]), 4),
            "size": abs(float(cosines[i, j])),
            "pull": "oppose" if cosines[i, j] < 0 else "agree",
            "text": material.words[i].first[:80],
            "text_of_other": material.words[j].first[:80],
        }
        for i in range(len(rows))
        for j in range(len(rows))
        if i != j
    ]
    opposed = int((cosines[pairs] < 0).sum())
    strongest = max(0.05, float(np.abs(cosines[pairs]).max()))
    worst = int(np.argmin(cosines[pairs]))
    first, second = int(pairs[0][worst]) + 1, int(pairs[1][worst]) + 1
    chart = (
        alt.Chart(alt.NamedData(DATA))
        .mark_rect(aria=False)
        .encode(
            x=alt.X("one:O", title="rank", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("other:O", title="rank", axis=alt.Axis(labelOverlap=True)),
            color=alt.Color("pull:N", title=None, scale=_PULLS),
            opacity=alt.Opacity("size:Q", legend=None, scale=alt.Scale(domain=[0, strongest], range=[0.04, 1])),
            tooltip=["one:O", "other:O", "cosine:Q", "text:N", alt.Tooltip("text_of_other:N", title="other text")],
        )
    )
    return PlotFigure(
        name="cosines",
        title=f"Cosines of the first {len(rows)} picks",
        words=f"{opposed:,} of {len(pairs[0]):,} pairs oppose each other; the most opposed are picks {first} and "
        f"{second}, at cosine {cosines[pairs].min():+.2f}. The mean is {cosines[pairs].mean():+.2f}. "
        f"The stronger the colour, the further from 0; the strongest is {strongest:.2f}.",
        note="" if len(rows) == material.chosen else f"The first {len(rows)} of {material.chosen:,} picks.",
        chart=chart,
        rows=records,
        height=500,
        square=True,
    )
