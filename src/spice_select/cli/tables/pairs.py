"""What a person reads of a choice among pairs or marked answers: lengths, labels, and who opposes whom."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from spice_select.cli.tables.grid import named_lines
from spice_select.cli.tables.plain import plain_text
from spice_select.run.pair_summary import PairGroup, PairSummary
from spice_select.settings.counted import counted

_LISTED = 12


def print_pairs(console: Console, pairs: PairSummary) -> None:
    """Print lengths and labels, and a table of sources and of which side is the longer one."""
    console.print(_lengths(pairs), highlight=False)
    _print_opposing(console, "pairs", (pairs.by_length, pairs.by_source))


def print_marks(console: Console, marks: Sequence[PairGroup]) -> None:
    """Print a table of answers marked good and bad."""
    _print_opposing(console, "answers", (marks,))


def _print_opposing(console: Console, rows: str, several: Sequence[Sequence[PairGroup]]) -> None:
    title = f"{rows} that oppose all others"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_style="bold", title_justify="left")
    table.add_column("", overflow="ellipsis", max_width=40)
    for name in (rows, "opposing", "chosen", "opposing"):
        table.add_column(name, justify="right", no_wrap=True)
    for groups in several:
        _add(table, groups)
    console.print(table, highlight=False)


def _lengths(pairs: PairSummary) -> Table:
    table = named_lines()
    prompts = counted(pairs.prompts, "prompt")
    table.add_row("pairs", f"{pairs.pairs:,} of {prompts}; the picks are of {pairs.chosen_prompts:,}")
    table.add_row(
        "length",
        f"the preferred answer is the longer one in {pairs.chosen_longer:.1%} of the picks, {pairs.longer:.1%} of all; "
        f"median {_median(pairs.chosen_medians)} tokens preferred / rejected, {_median(pairs.medians)} of all; rank "
        f"correlation of the pick's place with the difference of the lengths {_signed(pairs.rank_with_difference)}, "
        f"with their sum {_signed(pairs.rank_with_length)}",
    )
    if pairs.prefers_chosen is not None:
        table.add_row("proxy", f"finds the preferred answer likelier in {pairs.prefers_chosen:.1%} (by the mean token)")
    if pairs.weights is not None:
        least, median, greatest = pairs.weights
        table.add_row("weights", f"pairs count 2σ(−βΔ), {least:.3f} to {greatest:.3f}, {median:.3f} the median one")
    return table


def _add(table: Table, groups: Sequence[PairGroup]) -> None:
    for group in groups[:_LISTED]:
        table.add_row(
            plain_text(group.name) or "(none)",
            f"{group.pairs:,}",
            _share(group.opposing),
            f"{group.chosen:,}",
            _share(group.chosen_opposing),
        )
    if len(groups) > _LISTED:
        table.add_row(f"({counted(len(groups) - _LISTED, 'more source')} in summary.json)", "", "", "", "")
    table.add_section()


def _median(medians: tuple[float, float]) -> str:
    return f"{medians[0]:.0f} / {medians[1]:.0f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
