"""The agreement of two models as a person reads it."""

from rich import box
from rich.console import Console
from rich.table import Table

from spice_select.agreement.result import Transfer
from spice_select.cli.tables.grid import named_lines
from spice_select.cli.tables.plain import plain_text


def print_transfer(console: Console, found: Transfer) -> None:
    """Print the picks in common, the correlations, the sources, and the verdict."""
    console.print()
    console.print(
        f"[bold]{plain_text(found.ours)}[/] (the run's) and [bold]{plain_text(found.theirs)}[/]", highlight=False
    )
    console.print(plain_text(found.kinship), highlight=False)
    console.print(_numbers(found), highlight=False)
    if found.sources:
        console.print(_sources(found), highlight=False)
    for note in found.notes:
        console.print(f"[yellow]note[/] {plain_text(note)}")
    console.print(f"[bold]{plain_text(found.sentence)}[/]", highlight=False)


def _numbers(found: Transfer) -> Table:
    table = named_lines()
    chance = found.chance
    table.add_row(
        "picks in common",
        f"{found.overlap} of {found.picks} ({found.share:.0%}; Jaccard {found.jaccard:.2f}), out of {found.rows} rows",
    )
    table.add_row(
        "by chance",
        f"{chance.mean:.1f}, {chance.low} to {chance.high} in 19 of 20 cases; as many or more: "
        f"p = {chance.at_least:.2g}",
    )
    if found.ceiling is not None:
        table.add_row("same model, other seed", f"{found.ceiling} of {found.picks}")
    for name, value in (
        ("gradient norms", found.norms),
        ("base gains", found.base_gains),
        ("losses", found.losses),
        ("cosines of pairs", found.cosines),
    ):
        table.add_row(name, f"Spearman {_value(value)}")
    table.add_row("cosine matrices", f"CKA {_value(found.alignment)} (debiased: 0 is no relation, 1 the same)")
    return table


def _sources(found: Transfer) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="source mix", title_style="bold", title_justify="left", pad_edge=False)
    for name in ("source", "sample", "run's model", "other model"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for shares in found.sources:
        table.add_row(
            plain_text(shares.source),
            f"{shares.rows}  {shares.rows / found.rows:6.1%}",
            f"{shares.ours}  {shares.ours / found.picks:6.1%}",
            f"{shares.theirs}  {shares.theirs / found.picks:6.1%}",
        )
    return table


def _value(value: float) -> str:
    return "–" if value != value else f"{value:+.2f}"
