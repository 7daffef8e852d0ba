"""An evaluation as a person reads it: one column a model, differences to the first beside it."""

import math
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from spice_select.cli.tables.plain import plain_text
from spice_select.cli.tables.preference import fill_preferences
from spice_select.errors import whose_fault
from spice_select.evaluation.benchmarks import BENCHMARKS
from spice_select.evaluation.heldout import SourceLoss
from spice_select.evaluation.result import Evaluation, ModelResult, RowUse
from spice_select.evaluation.scores import TaskScore
from spice_select.numerics.estimates import Estimate
from spice_select.settings.counted import counted

_WIDTH = 20
"""Characters of a model's column: a difference with its error."""
_BESIDE = 36
"""Characters of the columns before it."""
_MEASURES = {benchmark.name: benchmark.measures for benchmark in BENCHMARKS}


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Print both tables, what the numbers mean, and where they are kept."""
    for models in _abreast(evaluation.models, console.width):
        _print_tables(console, models, evaluation)
    for score in {score.benchmark: score for model in evaluation.models for score in model.scores}.values():
        said = _MEASURES.get(score.benchmark, "the task's own metric")
        console.print(
            f"[dim]{plain_text(score.benchmark)}: {said} ({plain_text(score.task)}: {plain_text(score.metric)})[/]"
        )
    for note in evaluation.notes:
        console.print(f"[yellow]note[/] {plain_text(note)}")
    for model in evaluation.models:
        for note in model.notes:
            console.print(f"[yellow]note[/] {plain_text(model.name)}: {plain_text(note)}")
    for failure in evaluation.failures:
        console.print(f"[bold red]failed[/] {plain_text(failure.model)}, {failure.what}: {plain_text(failure.cause)}")
    if not all(failure.mendable for failure in evaluation.failures):
        console.print(f"[bold red]ours[/] {plain_text(whose_fault(evaluation.path))}", highlight=False)
    console.print(
        "[dim]± is one standard error over rows; Δ is the difference to the first model on the same rows, with its "
        "own.[/]",
        highlight=False,
    )
    console.print(f"\n[bold]{plain_text(str(evaluation.path))}[/]", soft_wrap=True)


def _abreast(models: Sequence[ModelResult], width: int) -> list[Sequence[ModelResult]]:
    """As many models beside each other as the terminal has room for."""
    size = max(1, (width - _BESIDE) // (_WIDTH + 2))
    return [models[start : start + size] for start in range(0, len(models), size)]


def _print_whole(console: Console, table: Table) -> None:
    """Print a table; in a terminal that is too narrow for one model its lines run on, and no number is cut off."""
    if console.width < (least := _BESIDE + _WIDTH + 2):
        table.width = least
    console.print(table, highlight=False, crop=False)


def _print_tables(console: Console, models: Sequence[ModelResult], evaluation: Evaluation) -> None:
    if any(model.losses for model in models):
        left = f"; {counted(evaluation.left_out, 'row')} left out" if evaluation.left_out else ""
        title = f"held-out response loss per token, nats ({evaluation.held_out}{left})"
        _print_losses(console, models, title, lambda loss: (loss.per_token, loss.per_token_difference))
        title = "the same, as the mean over rows of each row's own"
        _print_losses(console, models, title, lambda loss: (loss.per_row, loss.per_row_difference))
        _print_rows(console, models)
    if any(model.preferences for model in models):
        left = f"; {counted(evaluation.left_out, 'row')} left out" if evaluation.left_out else ""
        table = _table(f"held-out preference ({evaluation.held_out}{left})", models, ("number", "pairs", "count"))
        fill_preferences(table, models, _number)
        _print_whole(console, table)
        _print_rows(console, models)
    if any(model.scores for model in models):
        _print_scores(console, models)


def _print_losses(
    console: Console,
    models: Sequence[ModelResult],
    title: str,
    pick: Callable[[SourceLoss], tuple[Estimate, Estimate | None]],
) -> None:
    table = _table(title, models, ("source", "rows", "tokens"))
    sources = dict.fromkeys(loss.source for model in models for loss in model.losses)
    for source in sources:
        found = [next((loss for loss in model.losses if loss.source == source), None) for model in models]
        some = next(loss for loss in found if loss is not None)
        cells = [_cell(*pick(loss), digits=4) if loss is not None else "–" for loss in found]
        table.add_row(plain_text(source), f"{some.per_token.count:,}", f"{some.tokens:,}", *cells)
    _print_whole(console, table)


def _print_rows(console: Console, models: Sequence[ModelResult]) -> None:
    """How many rows each model was judged on, where one lost any or had any cut."""
    if not any(model.rows is not None and (model.rows.dropped or model.rows.truncated) for model in models):
        return
    table = _table("held-out rows", models, ("rows",))
    reasons = dict.fromkeys(reason for model in models if model.rows for reason in model.rows.dropped)
    counts: list[tuple[str, Callable[[RowUse], int]]] = [
        ("given", lambda rows: rows.given),
        ("judged", lambda rows: rows.judged),
        ("of these cut at the maximum length", lambda rows: rows.truncated),
        *((f"not used: {reason}", lambda rows, reason=reason: rows.dropped.get(reason, 0)) for reason in reasons),
    ]
    for name, count in counts:
        table.add_row(plain_text(name), *("–" if model.rows is None else f"{count(model.rows):,}" for model in models))
    _print_whole(console, table)


def _print_scores(console: Console, models: Sequence[ModelResult]) -> None:
    named = [{score.benchmark: score for score in model.scores} for model in models]
    benchmarks = list(dict.fromkeys(name for scores in named for name in scores))
    for share, title in ((True, "benchmarks, per cent"), (False, "benchmarks whose score is no share")):
        table = _table(title, models, ("benchmark", "documents", "shots"))
        for benchmark in benchmarks:
            scores = [scores.get(benchmark) for scores in named]
            there = [score for score in scores if score is not None]
            if all(score.is_share for score in there) is not share:
                continue
            digits, scale = (1, 100) if share else (3, 1)
            cells = [
                _cell(score.score, score.difference, digits=digits, scale=scale) if score else "–" for score in scores
            ]
            table.add_row(plain_text(benchmark), f"{there[0].score.count:,}", _shots(there[0]), *cells)
        if table.row_count:
            _print_whole(console, table)


def _table(title: str, models: Sequence[ModelResult], heads: Sequence[str]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, title=plain_text(title), title_style="bold", title_justify="left", pad_edge=False
    )
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number == 0 else "right", no_wrap=True)
    for model in models:
        table.add_column(plain_text(_short(model.name)), justify="right", overflow="fold", min_width=_WIDTH)
    return table


def _cell(value: Estimate, difference: Estimate | None, *, digits: int, scale: float = 1) -> str:
    text = _number(value, digits, scale)
    return text if difference is None else f"{text}\nΔ {_number(difference, digits, scale, sign='+')}"


def _number(value: Estimate, digits: int, scale: float, sign: str = "") -> str:
    """At least so many digits, and more where the error is so small that they mean something."""
    if math.isnan(value.value):
        return "–"
    number, error = value.value * scale, value.stderr * scale
    if math.isnan(error):
        return f"{number:{sign}.{digits}f}"
    shown = min(7, max(digits, -math.floor(math.log10(error)))) if error > 0 else digits
    return f"{number:{sign}.{shown}f} ± {error:.{shown}f}"


def _shots(score: TaskScore) -> str:
    least, most = score.shots
    return str(least) if least == most else f"{least}–{most}"


def _short(name: str) -> str:
    """The end of a long path, which is what tells models apart."""
    return name if len(name) <= _WIDTH else "…" + name[1 - _WIDTH :]
