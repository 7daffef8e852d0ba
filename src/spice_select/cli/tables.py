"""The summary of a run as a person reads it."""

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from spice_select import outputs
from spice_select.data.preview import Segment
from spice_select.data.records import Drop
from spice_select.diagnosis.checks import CheckResult
from spice_select.finished import Run
from spice_select.model_checks import ModelReport
from spice_select.preview import Preview
from spice_select.summary import Summary


def print_summary(console: Console, run: Run, *, rows: int = 5) -> None:
    """Print what was chosen and why, from the run's own files."""
    summary = run.summary
    console.print()
    _print_counts(console, summary)
    _print_mix(console, summary)
    _print_information(console, summary)
    _print_picks(console, run, rows)
    for note in summary.notes:
        console.print(f"[yellow]note[/] {escape(note)}")
    seconds = "  ".join(f"{stage} {value:.1f} s" for stage, value in summary.seconds.items())
    console.print(f"[dim]time: {seconds}[/]", highlight=False)
    console.print(f"\n[bold]{escape(str(run.path / outputs.SELECTED))}[/]  {summary.chosen} rows, ready to train on")


def _grid() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    return table


def _print_counts(console: Console, summary: Summary) -> None:
    table = _grid()
    dropped = ", ".join(f"{count} {reason}" for reason, count in summary.dropped.items())
    total = sum(summary.dropped.values())
    table.add_row("rows", f"{summary.rows:,} in, {total:,} dropped{f' ({dropped})' if dropped else ''}")
    share = summary.chosen / summary.usable
    table.add_row("chosen", f"[bold green]{summary.chosen:,}[/] rows ({share:.1%} of the usable {summary.usable:,})")
    table.add_row(
        "tokens",
        f"{summary.chosen_tokens:,} of {summary.tokens:,}; trained on: {summary.chosen_supervised:,} of "
        f"{summary.supervised:,} ({summary.chosen_supervised / summary.supervised:.1%})",
    )
    table.add_row(
        "response",
        f"median {summary.chosen_median_response:.0f} supervised tokens, {summary.median_response:.0f} in the corpus",
    )
    if summary.truncated:
        table.add_row("truncated", f"{summary.truncated:,} rows were cut at the maximum length")
    console.print(table, highlight=False)


def _print_mix(console: Console, summary: Summary) -> None:
    if len(summary.mix) < 2:
        return
    table = Table(box=box.SIMPLE_HEAD, title="source mix", title_style="bold", title_justify="left", pad_edge=False)
    for name in ("source", "corpus", "chosen", "taken", "trained tokens chosen"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for mix in summary.mix:
        table.add_row(
            escape(mix.source) or "(none)",
            f"{mix.rows:,}  {mix.rows / summary.usable:6.1%}",
            f"{mix.chosen_rows:,}  {mix.chosen_rows / summary.chosen:6.1%}",
            f"{mix.chosen_rows / mix.rows:.1%}",
            f"{mix.chosen_tokens:,}",
        )
    console.print(table, highlight=False)


def _print_information(console: Console, summary: Summary) -> None:
    table = _grid()
    gap = (summary.information - summary.random_mean) / summary.random_mean if summary.random_mean else float("nan")
    table.add_row(
        "information",
        f"{summary.information:.4g} nats; random picks of as many rows: {summary.random_mean:.4g} ± "
        f"{summary.random_std:.2g}, best of {summary.random_draws} {summary.random_max:.4g} ({gap:+.1%} over the mean)",
    )
    table.add_row("certified", f"≥ {_floor(summary.certified)} of the best possible information for this many rows")
    table.add_row("conflict", f"{summary.conflicting:.1%} of the picks oppose the mean gradient of those before them")
    if summary.sketch:
        table.add_row("sketch", f"{summary.sketch}; {summary.sign_flips:.1%} of the cosines between rows change sign")
    table.add_row("gain", f"{summary.first_gain:.4g} at the first pick, {summary.last_gain:.4g} at the last")
    table.add_row("stopped", escape(summary.stopped))
    console.print(table, highlight=False)


def _floor(share: float) -> str:
    """A percentage rounded down: a bound must not be rounded up."""
    return f"{int(share * 1000) / 10:.1f} %"


def _print_picks(console: Console, run: Run, rows: int) -> None:
    if rows < 1:
        return
    table = Table(box=box.SIMPLE_HEAD, title="first picks", title_style="bold", title_justify="left", pad_edge=False)
    for name in ("rank", "row", "gain", "ε", "conflict"):
        table.add_column(name, justify="right")
    table.add_column("what it says", overflow="ellipsis", no_wrap=True, max_width=max(20, console.width - 48))
    for record in islice(outputs.iterate_selected(run.path), rows):
        note = record.pop("spice")
        table.add_row(
            str(note["rank"]),
            str(note["row"]),
            f"{note['gain']:.3g}",
            f"{min(0.0, note['epsilon']) + 0.0:.2g}" if note["rank"] > 1 else "0",
            f"{note['conflict'] + 0.0:.2f}",
            escape(_gist(record)),
        )
    console.print(table, highlight=False)


def _gist(record: dict[str, Any]) -> str:
    """The first words a person wrote, whatever the format."""
    turns = record.get("messages") or record.get("conversations") or []
    texts = [turn.get("content") or turn.get("value") for turn in turns if isinstance(turn, dict)]
    named = [record.get(key) for key in ("instruction", "prompt", "question")]
    text = next((text for text in [*named, *texts] if isinstance(text, str) and text.strip()), None)
    return " ".join((text if text is not None else json.dumps(record, ensure_ascii=False, default=str))[:400].split())


def print_checks(console: Console, checks: Sequence[CheckResult]) -> None:
    """Print what each check found; a failed one is red."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("")
    table.add_column("found", justify="right")
    table.add_column("meaning")
    for check in checks:
        verdict = {True: "[green]holds[/]", False: "[bold red]fails[/]", None: "[dim]–[/]"}[check.passed]
        table.add_row(escape(check.name), verdict, f"{check.value:.4g}", escape(check.sentence))
    console.print(table, highlight=False)


def print_model_report(console: Console, report: ModelReport) -> None:
    """Print what was found about a model."""
    console.print(f"[bold]{escape(report.model)}[/]", highlight=False)
    for note in report.notes:
        console.print(f"[yellow]note[/] {escape(note)}")
    print_checks(console, report.checks)


def print_preview(console: Console, preview: Preview) -> None:
    """Print rows as the proxy sees them, what is trained on in green."""
    console.print(f"[dim]{escape(preview.format)}; proxy {escape(preview.proxy)}[/]", highlight=False)
    for note in preview.notes:
        console.print(f"[yellow]note[/] {escape(note)}")
    for where, shown in preview.rows:
        console.print()
        if isinstance(shown, Drop):
            console.print(f"[bold]{escape(where)}[/] [red]dropped: {shown.reason}[/] ({escape(shown.detail)})")
            continue
        console.print(
            f"[bold]{escape(where)}[/] [dim]{shown.example.num_tokens} tokens, {shown.example.num_supervised} trained "
            f"on{f', {shown.example.truncated} cut off' if shown.example.truncated else ''}[/]",
            highlight=False,
        )
        console.print(_coloured(shown.segments, console.color_system is not None), highlight=False)


def _coloured(segments: Sequence[Segment], colour: bool) -> Text:
    text = Text()
    for segment in segments:
        if not segment.supervised:
            text.append(segment.text, style="dim")
        elif colour:
            text.append(segment.text, style="bold green")
        else:
            text.append(f"⟦{segment.text}⟧")
    return text
