"""A map of the pool: its gradients in the two directions in which they differ most."""

from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from spice_select.report.material import RunMaterial, even_steps, filled, untold_section
from spice_select.report.page import PlotFigure, Section
from spice_select.report.page.figure import DATA
from spice_select.report.page.labels import distinct_labels
from spice_select.report.page.looks import GREY, GROUP_COLOURS, GROUP_SHAPES, VERMILLION

_NAME, _TITLE = "map", "A map of the pool"
_POOL, _CHOSEN, _TARGET = 1_200, 400, 200  # points drawn of each
_OTHERS = "others"
_AIM = "target"
_STAR = "M0,-1L0.28,-0.28L1,0L0.28,0.28L0,1L-0.28,0.28L-1,0L-0.28,-0.28Z"


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection2D:
    """Two directions, and how much of what differs lies in them.

    Attributes:
        centre: float64 ``[d]``, the mean of the rows.
        axes: float64 ``[2, d]``, of length one; the first has the larger share.
        share: of the squared distances from the centre.
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    share: float

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> "Projection2D":
        """The two first principal directions of rows ``[n, d]``, n and d above 2, by Lanczos. Cost: some 40·n·d flops.

        The start is fixed and signs are made so that the largest entry is positive: the same rows give the same map.
        The rows must differ (`_differ`).
        """
        centre = rows.mean(axis=0)
        apart = rows - centre
        whole = float(np.einsum("ij,ij->", apart, apart))
        start = np.random.default_rng(0).standard_normal(min(apart.shape))  # not ones: centred rows take them to zero
        _, lengths, axes = svds(apart, k=2, v0=start)
        axes = axes[np.argsort(-lengths)]
        axes *= np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])[:, None]
        return cls(centre=centre, axes=axes, share=float((lengths**2).sum()) / whole)

    def of_rows(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Where rows lie, float64 ``[n, 2]``."""
        return np.asarray((rows - self.centre) @ self.axes.T)


def _differ(rows: NDArray[np.float64]) -> bool:
    """Whether any of the rows ``[n, d]`` lies apart from their mean by more than float32 rounds."""
    apart = rows - rows.mean(axis=0)
    return bool(np.abs(apart).max() > np.finfo(np.float32).eps * np.abs(rows).max())


def map_section(material: RunMaterial) -> Section:
    """The pool, the chosen rows and the target's, projected on the pool's two main directions."""
    candidates = material.candidates
    if isinstance(candidates, str):
        return untold_section(_NAME, _TITLE, candidates)
    if min(candidates.matrix.n, candidates.matrix.d) < 4:
        return untold_section(_NAME, _TITLE, "Three rows or fewer make no map.")
    drawn = np.sort(np.random.default_rng(0).permutation(candidates.matrix.n)[:_POOL])
    if not _differ(candidates.matrix.array[drawn].astype(np.float64)):
        return untold_section(_NAME, _TITLE, "All rows have the same gradient: no direction sets them apart.")
    figure = _figure(material, candidates.matrix.array, drawn)
    return Section(name=_NAME, title=_TITLE, body=filled("one_figure.html", one=figure), figures=(figure,))


def _figure(material: RunMaterial, matrix: NDArray[np.floating], drawn: NDArray[np.int64]) -> PlotFigure:
    assert not isinstance(material.candidates, str), "a map is made of gradients"
    plane = Projection2D.of(matrix[drawn].astype(np.float64))
    chosen = material.places[even_steps(material.chosen, _CHOSEN)]
    rejected = np.setdiff1d(drawn, material.places)
    numbers = material.candidates.rows
    records = [
        *_records(material, plane, matrix, numbers, rejected, "rejected"),
        *_records(material, plane, matrix, numbers, chosen, "chosen"),
        *_aims(material, plane),
    ]
    named = _grouped(records)
    everyone = len(matrix) == len(drawn) and len(chosen) == material.chosen
    sampled = f"Drawn: {len(rejected):,} rejected rows of a sample, {len(chosen):,} of {material.chosen:,} chosen ones."
    return PlotFigure(
        name="map",
        title="The pool's gradients in two directions",
        words=f"Each point is a row; the chosen stand out. The two directions hold {plane.share:.0%} of what rows "
        "differ in, so rows that lie together here may differ in others.",
        note="" if everyone else sampled,
        chart=_chart(named, aimed=any(record["outcome"] == _AIM for record in records)),
        rows=records,
        height=460,
    )


def _records(
    material: RunMaterial,
    plane: Projection2D,
    matrix: NDArray[np.floating],
    numbers: NDArray[np.int64],
    places: NDArray[np.int64],
    outcome: str,
) -> list[dict[str, object]]:
    points = plane.of_rows(matrix[places].astype(np.float64))
    ranks = {int(row): int(rank) for rank, row in zip(material.picks["rank"], material.picks["row"], strict=True)}
    records = list[dict[str, object]]()
    for place, (x, y) in zip(places, points, strict=True):
        row = int(numbers[place])
        told = material.told(row)
        records.append(
            {
                "x": float(x),
                "y": float(y),
                "row": row,
                "rank": ranks.get(row, 0),
                "outcome": outcome,
                "group": "" if told is None else told.source,
                "text": "" if told is None else told.first,
            }
        )
    return records


def _aims(material: RunMaterial, plane: Projection2D) -> list[dict[str, object]]:
    """The target's rows on the same plane; none without one, or where its gradients are of another length."""
    target = material.run.target
    if target is None or "gradients" not in target.features:
        return []
    rows = target.matrix.rows(np.arange(min(_TARGET, target.matrix.n)))
    if rows.shape[1] != len(plane.centre):
        return []
    points = plane.of_rows(rows)
    return [
        {"x": float(x), "y": float(y), "row": int(row), "rank": 0, "outcome": _AIM, "group": _AIM, "text": str(task)}
        for (x, y), row, task in zip(points, target.rows, target.tasks, strict=False)
    ]


def _grouped(records: list[dict[str, object]]) -> list[str]:
    """The sources by size, as many as have a colour, the last for all others; records are named after them."""
    counts: dict[str, int] = {}
    for record in records:
        if record["outcome"] != _AIM:
            counts[str(record["group"])] = counts.get(str(record["group"]), 0) + 1
    order = sorted(counts, key=lambda name: (-counts[name], name))
    kept = order[: len(GROUP_COLOURS) - 1] if len(order) > len(GROUP_COLOURS) else order
    labels = distinct_labels(kept, 30, empty="(no source)", taken=[_OTHERS, _AIM])
    named = dict(zip(kept, labels, strict=True))
    for record in records:
        if record["outcome"] != _AIM:
            record["group"] = named.get(str(record["group"]), _OTHERS)
    return [*labels, *([_OTHERS] if len(order) > len(kept) else [])]


def _chart(groups: list[str], *, aimed: bool) -> "alt.LayerChart | alt.FacetChart":
    domain, aim = [*groups, *([_AIM] if aimed else [])], [VERMILLION] if aimed else []
    colours = alt.Scale(domain=domain, range=[*GROUP_COLOURS[: len(groups)], *aim])
    shapes = alt.Scale(domain=domain, range=[*GROUP_SHAPES[: len(groups)], *([_STAR] if aimed else [])])
    bare = alt.Axis(labels=False, ticks=False, grid=False)
    base = alt.Chart(alt.NamedData(DATA)).encode(
        x=alt.X("x:Q", title="first direction", axis=bare),
        y=alt.Y("y:Q", title="second direction", axis=bare),
        color=alt.Color("group:N", title=None, scale=colours),
        shape=alt.Shape("group:N", title=None, scale=shapes),
        tooltip=["row:Q", "outcome:N", "rank:Q", "group:N", "text:N"],
    )
    looks: dict[str, dict[str, Any]] = {
        "rejected": {"size": 24, "opacity": 0.55},
        "chosen": {"size": 90, "filled": True, "opacity": 0.95, "stroke": GREY, "strokeWidth": 0.8},
        **({_AIM: {"size": 320, "filled": True, "opacity": 1, "stroke": GREY, "strokeWidth": 0.8}} if aimed else {}),
    }
    marks = [
        base.transform_filter(f"datum.outcome === '{outcome}'").mark_point(aria=False, **look)
        for outcome, look in looks.items()
    ]
    return alt.layer(*marks)
