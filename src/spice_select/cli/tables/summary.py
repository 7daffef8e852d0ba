"""The summary of a run as a person reads it."""

import math
import shlex
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spice_select.cli.tables.grid import named_lines
from spice_select.cli.tables.pairs import print_marks, print_pairs
from spice_select.cli.tables.plain import plain_text
from spice_select.data.encoding.segments import Segment
from spice_select.data.printable import printable
from spice_select.data.records import Drop, Example
from spice_select.data.texts import first_words
from spice_select.diagnosis.theory import CheckResult
from spice_select.numerics.proven import rounded_down
from spice_select.run import files as outputs
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder
from spice_select.run.summary import Judged, Reached, Summary, largest_sources
from spice_select.settings.counted import counted

if TYPE_CHECKING:  # these two need torch, which most tables do not
    from spice_select.checks.model import ModelReport
    from spice_select.checks.preview import Preview, Shown, ShownPair

TEXT = "what it says"


def print_summary(console: Console, run: Run, *, rows: int = 5) -> None:
    """Print what was chosen and why, from the run's own files."""
    summary = run.summary
    console.print()
    _print_counts(console, summary)
    _print_mix(console, summary)
    _print_judged(console, summary, by_log_det=run.settings.by_log_det)
    if summary.pairs is not None:
        print_pairs(console, summary.pairs)
    if summary.marks:
        print_marks(console, summary.marks)
    _print_picks(console, run, rows)
    for note in summary.notes:
        console.print(f"[yellow]note[/] {plain_text(note)}")
    seconds = "  ".join(f"{stage} {value:.1f} s" for stage, value in summary.seconds.items())
    console.print(f"[dim]time: {seconds}[/]", highlight=False)
    if summary.judged is not None:
        command = shlex.join(["spice", "check", "run", str(run.path)])
        console.print(f"[dim]look closer: {plain_text(command)}[/]", highlight=False, soft_wrap=True)
    path = plain_text(str(run.path / outputs.SELECTED))
    console.print(f"\n[bold]{path}[/]  {counted(summary.chosen, 'row')}, ready to train on", soft_wrap=True)
    if (run.path / outputs.REPORT).is_file():
        page = plain_text(str(run.path / outputs.REPORT))
        console.print(f"[bold]{page}[/]  what was chosen and why, on one page for a browser", soft_wrap=True)


def _print_counts(console: Console, summary: Summary) -> None:
    table = named_lines()
    dropped = ", ".join(f"{count} {reason}" for reason, count in summary.dropped.items())
    total = sum(summary.dropped.values())
    table.add_row("rows", f"{summary.rows:,} in, {total:,} dropped{f' ({dropped})' if dropped else ''}")
    share = summary.chosen / summary.usable
    table.add_row(
        "chosen", f"[bold green]{counted(summary.chosen, 'row')}[/] ({share:.1%} of the usable {summary.usable:,})"
    )
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
        table.add_row("truncated", f"{counted(summary.truncated, 'row was', 'rows were')} cut at the maximum length")
    console.print(table, highlight=False)


def _print_mix(console: Console, summary: Summary) -> None:
    if len(summary.mix) < 2:
        return
    table = Table(box=box.SIMPLE_HEAD, title="source mix", title_style="bold", title_justify="left", pad_edge=False)
    table.add_column("source", overflow="ellipsis", max_width=40)
    for name in ("corpus", "chosen", "taken"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("trained tokens chosen", justify="right")
    for mix in largest_sources(summary.mix):
        table.add_row(
            plain_text(" ".join(mix.source.split())) or "(none)",
            f"{mix.rows:,}  {mix.rows / summary.usable:6.1%}",
            f"{mix.chosen_rows:,}  {mix.chosen_rows / summary.chosen:6.1%}",
            f"{mix.chosen_rows / mix.rows:.1%}",
            f"{mix.chosen_tokens:,}",
        )
    console.print(table, highlight=False)


def _print_judged(console: Console, summary: Summary, *, by_log_det: bool) -> None:
    table = named_lines()
    if summary.judged is not None:
        _add_judged(table, summary.judged, by_log_det=by_log_det)
    else:
        table.add_row("judged", f"not: {summary.method} takes no gradients, so nothing says what its picks hold")
    for one in summary.automatic:
        table.add_row(one.name.replace("_", " "), plain_text(one.why))
    table.add_row("stopped", plain_text(summary.stopped))
    if summary.headroom:
        table.add_row("headroom", plain_text(summary.headroom))
    console.print(table, highlight=False)


def _add_judged(table: Table, judged: Judged, *, by_log_det: bool) -> None:
    for number, reached in enumerate(judged.target):
        table.add_row("target" if number == 0 else "", plain_text(_reached(reached)))
    gap = (judged.information - judged.random_mean) / judged.random_mean if judged.random_mean else 0.0
    criterion = "" if by_log_det else ", by log det, which is not what they were chosen by"
    table.add_row(
        "information",
        f"{judged.information:.4g} nats; random picks of as many rows: {judged.random_mean:.4g} ± "
        f"{judged.random_std:.2g}, best of {judged.random_draws} {judged.random_max:.4g} "
        f"({abs(gap) if abs(gap) >= 5e-4 else 0.0:.1%} {'below' if gap <= -5e-4 else 'above'} the mean){criterion}",
    )
    table.add_row("certified", _certified(judged))
    table.add_row("conflict", _conflict(judged))
    if judged.interaction is not None:
        table.add_row("interaction", f"takes {round(judged.interaction, 4) + 0.0:.1%} off the gain of the median pick")
    if judged.sketch:
        table.add_row("sketch", f"{judged.sketch}; {judged.sign_flips:.1%} of the cosines between rows change sign")
    table.add_row("gain", f"{judged.first_gain:.4g} at the first pick, {judged.last_gain:.4g} at the last")


def _reached(reached: Reached) -> str:
    """What the picks explain of a task, and on which rows that was measured."""
    task = f"{printable(reached.task)}: " if reached.task else ""
    rows = "held-out rows of it" if reached.held_out else "rows, those that chose"
    return (
        f"{task}picks explain {reached.share:.1%} of the target's gradients ({reached.rows} {rows}), random picks of "
        f"as many rows {reached.random_mean:.1%} ± {reached.random_std:.1%}; their mean gradient points its way at "
        f"cosine {reached.cosine:+.2f}, random {reached.random_cosine:+.2f}"
    )


def _certified(judged: Judged) -> str:
    proof = f" (bound {judged.bound}, proven in {judged.proof_seconds:.1f} s)" if judged.bound else ""
    text = f"≥ {_floor(judged.certified)} of the best possible information for {judged.certified_for}{proof}"
    if judged.way is not None:
        text += f", ≥ {_floor(judged.way)} of the way there from random picks"
    if judged.promised is not None:
        text += f"; curvature {judged.curvature:.2f} alone promises {_floor(judged.promised)} to greedy with λ = 0"
    return text + ". It says nothing of the tuned model"


def _conflict(judged: Judged) -> str:
    text = f"{judged.conflicting:.1%} of the picks oppose the mean gradient of those before them"
    if judged.conflict_with_gain is None or judged.conflict_with_epsilon is None:
        return text
    return (
        f"{text}; rank correlation of conflict with the gain {judged.conflict_with_gain:+.2f}, with ε's size "
        f"{judged.conflict_with_epsilon:+.2f} (paper: −0.79, +0.90)"
    )


def _floor(share: float) -> str:
    """A percentage rounded down: a bound must not be rounded up."""
    return f"{100 * rounded_down(share):.1f} %"


def _print_picks(console: Console, run: Run, rows: int) -> None:
    if rows < 1:
        return
    RunFolder(run.path).output(outputs.SELECTED)
    lines = [_pick(record) for record in islice(outputs.iterate_selected(run.path), rows)]
    names = ("rank", "row", "gain", "ε", "conflict") if run.summary.judged else ("rank", "row")
    table = Table(box=box.SIMPLE_HEAD, title="first picks", title_style="bold", title_justify="left", pad_edge=False)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    taken = sum(max(map(len, column)) + 3 for column in zip(names, *(line[:-1] for line in lines), strict=True))
    room = console.width - taken - 2
    if room >= len(TEXT):
        table.add_column(TEXT, overflow="ellipsis", no_wrap=True, max_width=room)
    for line in lines:
        table.add_row(*line[: len(table.columns)])
    console.print(table, highlight=False)


def _pick(record: dict[str, Any]) -> tuple[str, ...]:
    note = record.pop("spice")
    return (
        str(note["rank"]),
        str(note["row"]),
        *_worth(note),
        plain_text(first_words(record)),
    )


def _worth(note: dict[str, Any]) -> tuple[str, ...]:
    """What a pick was worth, where that is known."""
    if "gain" not in note:
        return ()
    epsilon = f"{min(0.0, note['epsilon']) + 0.0:.2g}" if note["rank"] > 1 else "0"
    return (f"{note['gain']:.3g}", epsilon, f"{note['conflict'] + 0.0:.2f}")


def print_checks(console: Console, checks: Sequence[CheckResult]) -> None:
    """Print what each check found; a failed one is red."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("")
    table.add_column("found", justify="right")
    table.add_column("meaning")
    for check in checks:
        verdict = {True: "[green]holds[/]", False: "[bold red]fails[/]", None: "[dim]–[/]"}[check.passed]
        table.add_row(
            plain_text(check.name),
            verdict,
            "" if math.isnan(check.value) else f"{check.value:.4g}",
            plain_text(check.sentence),
        )
    console.print(table, highlight=False)


def print_model_report(console: Console, report: "ModelReport") -> None:
    """Print what was found about a model."""
    console.print(f"[bold]{plain_text(report.model)}[/]", highlight=False)
    for note in report.notes:
        console.print(f"[yellow]note[/] {plain_text(note)}")
    print_checks(console, report.checks)


def print_preview(console: Console, preview: "Preview") -> None:
    """Print rows as the proxy sees them, what is trained on in green, and in red the answers not to give."""
    console.print(f"[dim]{plain_text(preview.format)}; proxy {plain_text(preview.proxy)}[/]", highlight=False)
    for note in preview.notes:
        console.print(f"[yellow]note[/] {plain_text(note)}")
    for where, shown in preview.rows:
        console.print()
        if isinstance(shown, Drop):
            console.print(f"[bold]{plain_text(where)}[/] [red]dropped: {shown.reason}[/] ({plain_text(shown.detail)})")
            continue
        colour, cut = console.color_system is not None, shown.example.truncated
        console.print(
            f"[bold]{plain_text(where)}[/] [dim]{_told_of(shown)}{f', {cut} cut off' if cut else ''}[/]",
            highlight=False,
        )
        if isinstance(shown.example, Example):
            marks = (_REJECTED, _REJECTED_PLAIN) if shown.example.label is False else (_TRAINED, _TRAINED_PLAIN)
            console.print(_coloured(shown.segments, marks[0] if colour else marks[1]), highlight=False)
        else:
            console.print(_coloured(shown.chosen, _TRAINED if colour else _TRAINED_PLAIN), highlight=False)
            console.print("[dim]rejected:[/]", highlight=False)
            console.print(_coloured(shown.rejected, _REJECTED if colour else _REJECTED_PLAIN), highlight=False)


def _told_of(shown: "Shown | ShownPair") -> str:
    """What is counted of a row, in a line above it."""
    if isinstance(shown.example, Example):
        mark = {None: "", True: ", marked good", False: ", marked bad"}[shown.example.label]
        return f"{shown.example.num_tokens} tokens, {shown.example.num_supervised} trained on{mark}"
    pair = shown.example
    alike = f"; both begin with the same {pair.shared}" if pair.shared else ""
    return (
        f"a pair of {pair.num_tokens} tokens: {pair.chosen.num_supervised} of the chosen answer, "
        f"{pair.rejected.num_supervised} of the rejected one{alike}"
    )


_TRAINED, _TRAINED_PLAIN = ("", "bold green", ""), ("⟦", "", "⟧")
_REJECTED, _REJECTED_PLAIN = ("", "bold red", ""), ("⟪", "", "⟫")
"""What stands before what is trained on, its style, and what stands behind it."""


def _coloured(segments: Sequence[Segment], marks: tuple[str, str, str]) -> Text:
    text, (before, style, behind) = Text(), marks
    for segment in segments:
        shown = printable(segment.text)
        if segment.supervised:
            text.append(f"{before}{shown}{behind}", style=style)
        else:
            text.append(shown, style="dim")
    return text
