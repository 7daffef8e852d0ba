"""What `spice check run` prints: the checks, what the settings do on a run's gradients, and signs of trouble."""

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table

from spice_select.checks.run import Examination
from spice_select.cli.tables.plain import plain_text
from spice_select.cli.tables.summary import print_checks
from spice_select.diagnosis.early_stop import MARGIN, EarlyStop
from spice_select.diagnosis.sensitivity import Sensitivity, Variant
from spice_select.diagnosis.warning_signs import Sign


def print_examination(console: Console, found: Examination) -> None:
    """Print the checks, the tables of λ, α and ω, and the signs; warnings are yellow."""
    if found.checks:
        print_checks(console, found.checks)
    if found.sensitivity is None:
        console.print(f"[yellow]note[/] {plain_text(found.untold)}")
    else:
        _print_sensitivity(console, found.sensitivity)
    if found.stops:
        _print_stops(console, found.stops)
    _print_signs(console, found.signs)


def _table(title: str, *columns: str, justify: JustifyMethod = "right") -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_style="bold", title_justify="left", pad_edge=False)
    for name in columns:
        table.add_column(name, justify=justify)
    return table


def _print_sensitivity(console: Console, found: Sensitivity) -> None:
    names = ("λ", "α", "picks", "changed", "information", "conflict", "|ε|/base", "largest")
    table = _table("other settings on these gradients (› is this run)", *names)
    for variant in found.weights:
        _add_variant(table, variant, own=variant.conflict_weight == found.conflict_weight)
    table.add_section()
    for variant in found.alphas:
        _add_variant(table, variant, own=variant.alpha == found.alpha)
    console.print(table, highlight=False)
    for sentence in found.sentences:
        console.print(plain_text(sentence), highlight=False)


def _add_variant(table: Table, variant: Variant, *, own: bool) -> None:
    table.add_row(
        f"{'› ' if own else ''}{variant.conflict_weight:g}",
        f"{variant.alpha:g}",
        f"{variant.picks:,}",
        f"{variant.changed:.1%}",
        f"{variant.information:.2%}",
        f"{variant.conflicting:.1%}",
        _share(variant.interaction),
        _share(variant.largest),
        style="bold" if own else None,
    )


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"


def _print_stops(console: Console, stops: Sequence[EarlyStop]) -> None:
    table = _table("early stop (SPICE+)", "ω", "rows taken", f"ω ± {MARGIN:.0%}", "gains above it later", "")
    for stop in stops:
        table.add_row(
            f"{stop.omega:g}",
            f"{stop.picks:,}",
            f"{stop.fewest:,} – {stop.most:,}",
            f"{stop.returns:,}",
            _verdict(stop),
        )
    console.print(table, highlight=False)


def _verdict(stop: EarlyStop) -> str:
    if not stop.reached:
        return "[dim]not within the budget[/]"
    return "[yellow]unstable[/]" if stop.unstable else "[green]steady[/]"


def _print_signs(console: Console, signs: Sequence[Sign]) -> None:
    table = _table("beside random rows", "the choice", "", "meaning", justify="left")
    for sign in signs:
        verdict = "[yellow]no[/]" if sign.warning else "[green]yes[/]"
        if math.isnan(sign.value):
            verdict = "[dim]–[/]"
        table.add_row(plain_text(sign.name), verdict, plain_text(" ".join([sign.sentence, sign.warning]).strip()))
    console.print(table, highlight=False)
