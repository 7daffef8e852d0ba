"""The headroom of a pool as a person reads it."""

from rich.console import Console
from rich.table import Table

from spice_select.cli.tables.grid import named_lines
from spice_select.cli.tables.plain import plain_text
from spice_select.data.printable import printable
from spice_select.diagnosis.explained import Explained
from spice_select.outlook.mismatches import FALSE_ALARMS
from spice_select.outlook.result import Headroom
from spice_select.outlook.texts import DUPLICATE, NEAR_DUPLICATE


def print_headroom(console: Console, found: Headroom) -> None:
    """Print the numbers, the notes, the verdict in words, and what to run next."""
    console.print()
    console.print(_numbers(found), highlight=False)
    for note in found.notes:
        console.print(f"[yellow]note[/] {plain_text(note)}")
    others = [case.name for case in found.cases[1:]]
    beside = f" [dim](also {', '.join(others)})[/]" if others else ""
    console.print(f"\n[bold]verdict: {found.verdict}[/]{beside}", highlight=False)
    console.print(plain_text(found.sentence), highlight=False)
    console.print("\n[bold]next[/]", highlight=False)
    for command in found.commands:
        console.print(f"  {plain_text(command)}", highlight=False, soft_wrap=True)


def _numbers(found: Headroom) -> Table:
    table = named_lines()
    table.add_row(
        "rows", f"{found.rows:,} usable, {found.picks:,} of them to be chosen; gradients of {found.sampled:,}"
    )
    table.add_row("mean cosine", f"{found.common:.3f} of two rows' gradients")
    table.add_row("random draw", _draw(found))
    table.add_row("repeats", _repeats(found))
    table.add_row("mismatched", _mismatched(found))
    table.add_row("other suspects", _others(found))
    table.add_row("pool", f"best picks explain {_explained(found.explained, 'held-out rows')}")
    for number, task in enumerate(found.tasks):
        name = f"{printable(task.task)}: " if task.task else ""
        text = f"{name}picks for it explain {_explained(task, 'rows that did not choose')}"
        table.add_row("target" if number == 0 else "", plain_text(text))
    return table


def _draw(found: Headroom) -> str:
    drawn = found.drawn
    return (
        f"of {found.picks:,} rows follows the pool's mean gradient to cos {found.alignment:.3f} (of {drawn.picks} from "
        f"the sample: {drawn.expected:.3f} by the formula, drawn {drawn.cosines.mean():.3f} ± "
        f"{drawn.cosines.std(ddof=1):.3f})"
    )


def _repeats(found: Headroom) -> str:
    counts, rows = found.texts.counts, found.texts.rows
    return (
        f"{found.texts.repeated / rows:.1%} of {rows:,} rows: {counts[DUPLICATE]:,} word for word, "
        f"{counts[NEAR_DUPLICATE]:,} nearly"
    )


def _mismatched(found: Headroom) -> str:
    seen = found.mismatches
    if seen is None:
        return "not judged: a pair has two answers"
    if not seen.telling:
        return "not judged: the proxy does not tell (see the note)"
    return (
        f"{seen.listed:,} of {seen.rows:,} answers are no likelier for their question ({seen.share:.1%}; "
        f"{FALSE_ALARMS:.1%} in a clean pool)"
    )


def _others(found: Headroom) -> str:
    counts = {name: count for name, count in found.texts.counts.items() if name not in (DUPLICATE, NEAR_DUPLICATE)}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _explained(found: Explained, rows: str) -> str:
    return (
        f"{found.share:.1%} of {found.rows} {rows}, random picks {found.mean:.1%} ± {found.std:.1%} "
        f"({found.ratio:.2f} times, {found.z:.1f} standard deviations; {len(found.draws)} draws)"
    )
