"""Of preference pairs and of answers marked good or bad: lengths, labels, and who opposes whom."""

from collections.abc import Sequence

from spice_select.report.material import RunMaterial
from spice_select.report.page import Cell, Grid, Heading, Section, composed_section, cut, number_cell
from spice_select.report.page.pieces import PagePiece
from spice_select.run.pair_summary import PairGroup, PairSummary

_LISTED = 40


def sides_section(material: RunMaterial) -> Section | None:
    """What log det cannot see of the choice; None where every answer is there to be learnt."""
    pairs, marks = material.summary.pairs, material.summary.marks
    if pairs is not None:
        pieces: list[PagePiece] = [_lengths(pairs), *_ranked(pairs)]
        pieces += [
            _opposing("opposing-length", "Pairs that oppose all others, by which answer is longer.", pairs.by_length),
            _opposing("opposing-source", "Pairs that oppose all others, by source.", pairs.by_source),
        ]
        return composed_section("sides", "Preferred and rejected", pieces)
    if marks:
        grid = _opposing("opposing-mark", "Answers that oppose all others, by mark.", marks)
        return composed_section("sides", "Good and bad", [grid])
    return None


def _lengths(pairs: PairSummary) -> Grid:
    lines = [
        ("pairs", "{:,.0f}", pairs.pairs, sum(group.chosen for group in pairs.by_length)),
        ("prompts", "{:,.0f}", pairs.prompts, pairs.chosen_prompts),
        ("the preferred answer is the longer one", "{:.1%}", pairs.longer, pairs.chosen_longer),
        ("tokens of the median preferred answer", "{:,.0f}", pairs.medians[0], pairs.chosen_medians[0]),
        ("tokens of the median rejected answer", "{:,.0f}", pairs.medians[1], pairs.chosen_medians[1]),
    ]
    return Grid(
        name="pair-lengths",
        caption="Pairs and the lengths of their answers.",
        columns=[Heading(title="what"), Heading(title="of all", number=True), Heading(title="chosen", number=True)],
        rows=[[Cell(what), number_cell(every, form), number_cell(taken, form)] for what, form, every, taken in lines],
    )


def _ranked(pairs: PairSummary) -> list[PagePiece]:
    told = []
    if pairs.rank_with_difference is not None:
        told.append(
            "Rank correlation of a pick's place with how much longer its preferred answer is: "
            f"{pairs.rank_with_difference:+.2f} (below 0: such pairs come first)."
        )
    if pairs.rank_with_length is not None:
        told.append(f"With the length of both answers: {pairs.rank_with_length:+.2f}.")
    if pairs.prefers_chosen is not None:
        told.append(f"The proxy finds the preferred answer likelier in {pairs.prefers_chosen:.1%}, by the mean token.")
    if pairs.weights is not None:
        least, median, greatest = pairs.weights
        told.append(f"Pairs count 2σ(−βΔ), {least:.3f} to {greatest:.3f}, {median:.3f} the median one.")
    return [" ".join(told)] if told else []


def _opposing(name: str, caption: str, groups: Sequence[PairGroup]) -> Grid:
    return Grid(
        name=name,
        caption=caption,
        columns=[
            Heading(title="which"),
            Heading(title="rows", number=True),
            Heading(title="opposing", number=True),
            Heading(title="chosen", number=True),
            Heading(title="of these opposing", number=True),
        ],
        rows=[
            [
                Cell(cut(group.name, 60) or "(none)"),
                number_cell(group.pairs, "{:,.0f}"),
                number_cell(group.opposing, "{:.1%}"),
                number_cell(group.chosen, "{:,.0f}"),
                number_cell(group.chosen_opposing, "{:.1%}"),
            ]
            for group in groups[:_LISTED]
        ],
        note=f"The first {_LISTED} of {len(groups):,}." if len(groups) > _LISTED else "",
    )
