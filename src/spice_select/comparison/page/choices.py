"""What each arm chose, what it is worth by its gradients, how the choices overlap, and what they cost."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import altair as alt

from spice_select.comparison.cells import shown_spread
from spice_select.comparison.facts import ArmFacts, by_arm
from spice_select.comparison.result import MethodsCompared
from spice_select.numerics.proven import rounded_down
from spice_select.report.page import Cell, Grid, Heading, PlotFigure, Section, composed_section, number_cell
from spice_select.report.page.figure import DATA
from spice_select.report.page.looks import GROUP_COLOURS, GROUP_SHAPES
from spice_select.report.several import MOST_OVERLAPS, overlap_figure, source_shares_figure


def choices_section(found: MethodsCompared) -> Section:
    """Tables and figures of the choices."""
    arms = by_arm(found.facts)
    limit = "as many rows" if found.supervised is None else f"at most {found.supervised:,} supervised tokens"
    pieces: list[Any] = [
        f"Every arm chose from the same {found.rows:,} rows and might take {limit} (budget {found.budget}).",
        _sizes(arms),
    ]
    if any(one.gradients for one in found.facts):
        pieces += [_worth(arms), _explained(found.facts)]
    if any(name for one in found.facts for name in one.sources):
        pieces.append(source_shares_figure({arm: facts[0].sources for arm, facts in arms.items()}))
    if 1 < len(found.overlap) <= MOST_OVERLAPS:
        pieces.append(overlap_figure(found.overlap))
    if found.diversity:
        pieces.append(_diversity(found))
    return composed_section("choices", "What each chose", [*pieces, _costs(arms)])


def _spread(facts: Sequence[ArmFacts], value: Callable[[ArmFacts], float | None], form: str) -> Cell:
    """Over an arm's choices; sorted by the mean."""
    values = [number for one in facts if (number := value(one)) is not None]
    return Cell(shown_spread(values, form), fmean(values)) if values else Cell("")


def _numbers(*titles: str) -> list[Heading]:
    return [Heading(title=title, number=True) for title in titles]


def _sizes(arms: Mapping[str, Sequence[ArmFacts]]) -> Grid:
    rows = [
        [
            Cell(arm),
            Cell(str(len(facts)), key=len(facts)),
            _spread(facts, lambda one: one.rows, "{:,.0f}"),
            _spread(facts, lambda one: one.tokens, "{:,.0f}"),
            _spread(facts, lambda one: one.supervised, "{:,.0f}"),
            _spread(facts, lambda one: one.shortfall, "{:.1%}"),
        ]
        for arm, facts in arms.items()
    ]
    columns = [Heading(title="arm"), *_numbers("choices", "rows", "tokens", "supervised", "budget not used")]
    return Grid(name="sizes", caption="What each chose (mean ± deviation of its draws)", columns=columns, rows=rows)


def _worth(arms: Mapping[str, Sequence[ArmFacts]]) -> Grid:
    tasks = sorted({task for facts in arms.values() for one in facts for task in _targets(one)})
    rows = [
        [
            Cell(arm),
            _spread(facts, _by_gradients("information"), "{:.2f}"),
            _spread(facts, _certified, "{:.1%}"),
            _spread(facts, _by_gradients("explained"), "{:.1%}"),
            *(_spread(facts, _of_task(task), "{:.1%}") for task in tasks),
            _spread(facts, _by_gradients("conflicting"), "{:.0%}"),
        ]
        for arm, facts in arms.items()
    ]
    named = [f"explains {task}" for task in tasks]
    columns = [Heading(title="arm"), *_numbers("information", "certified", "explains pool", *named, "opposed")]
    return Grid(
        name="worth", caption="By their gradients, the same for all", columns=columns, rows=rows,
        note="Information and explained shares are of gradients; whether a model is better is another question.",
    )  # fmt: skip


def _by_gradients(name: str) -> Callable[[ArmFacts], float | None]:
    return lambda one: None if one.gradients is None else float(getattr(one.gradients, name))


def _certified(one: ArmFacts) -> float | None:
    return None if one.gradients is None else rounded_down(one.gradients.certified)


def _of_task(task: str) -> Callable[[ArmFacts], float | None]:
    return lambda one: _targets(one).get(task)


def _targets(one: ArmFacts) -> Mapping[str, float]:
    return one.gradients.explained_target if one.gradients else {}


def _explained(facts: Sequence[ArmFacts]) -> PlotFigure:
    records = list[dict[str, Any]]()
    for one in facts:
        if one.gradients is not None:
            shares = {"the pool": one.gradients.explained, **one.gradients.explained_target}
            records += [{"arm": one.arm, "what": what, "share": share} for what, share in shares.items()]
    whats = list(dict.fromkeys(record["what"] for record in records))
    arms = list(dict.fromkeys(record["arm"] for record in records))
    means = {what: {arm: _mean_share(records, arm, what) for arm in arms} for what in whats}
    said = "; ".join(f"{what}: " + ", ".join(f"{arm} {means[what][arm]:.1%}" for arm in arms) for what in whats[:3])
    chart = (
        alt.Chart(alt.NamedData(DATA))
        .mark_point(filled=True, size=70, opacity=0.75)
        .encode(
            x=alt.X("share:Q", title="share of gradients explained", axis=alt.Axis(format=".0%", tickCount=8)),
            y=alt.Y("arm:N", sort=arms, title=None, axis=alt.Axis(labelLimit=220)),
            color=alt.Color("what:N", title=None, scale=alt.Scale(domain=whats, range=_cycled(GROUP_COLOURS, whats))),
            shape=alt.Shape("what:N", title=None, scale=alt.Scale(domain=whats, range=_cycled(GROUP_SHAPES, whats))),
            tooltip=["arm:N", "what:N", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return PlotFigure(
        name="explained",
        title="What the choices explain",
        words=f"A dot a choice. {said}.",
        chart=chart,
        rows=records,
        height=60 + 28 * len(arms),
    )


def _mean_share(records: Sequence[Mapping[str, Any]], arm: str, what: str) -> float:
    return fmean([one["share"] for one in records if one["arm"] == arm and one["what"] == what])


def _cycled(looks: Sequence[str], names: Sequence[str]) -> list[str]:
    return [looks[place % len(looks)] for place in range(len(names))]


def _diversity(found: MethodsCompared) -> Grid:
    rows = [
        [
            Cell(arm),
            number_cell(None if one.ldd is None else one.ldd.mean, "{:.3f}"),
            number_cell(one.novelsum, "{:.3f}"),
            number_cell(one.nearest_distance, "{:.3f}"),
            number_cell(one.effective_rank, "{:.1f}"),
            number_cell(one.source_coverage, "{:.0%}"),
            number_cell(one.cluster_coverage, "{:.0%}"),
        ]
        for arm, one in found.diversity.items()
    ]
    titles = ("log-det distance", "NovelSum", "nearest other", "effective rank", "sources", "clusters")
    return Grid(
        name="diversity",
        caption="Diversity of directions, and coverage, at as many rows of each",
        columns=[Heading(title="arm"), *_numbers(*titles)],
        rows=rows,
        note="No proof of a gain.",
    )


def _costs(arms: Mapping[str, Sequence[ArmFacts]]) -> Grid:
    rows = [
        [
            Cell(arm),
            Cell(", ".join(facts[0].cost.features) or "nothing"),
            number_cell(facts[0].cost.seconds, "{:,.1f}"),
            number_cell(facts[0].cost.marginal_seconds, "{:,.1f}"),
            _operations(facts[0].cost.flops),
            _operations(facts[0].cost.marginal_flops),
        ]
        for arm, facts in arms.items()
    ]
    titles = ("seconds", "after those above", "FLOPs", "after those above")
    return Grid(
        name="cost",
        caption="What choosing cost: by itself, and once the arms above have what they need",
        columns=[Heading(title="arm"), Heading(title="needs"), *_numbers(*titles)],
        rows=rows,
    )


def _operations(count: float | None) -> Cell:
    return Cell("not known") if count is None else Cell(f"{count:.1e}" if count else "0", key=count)
