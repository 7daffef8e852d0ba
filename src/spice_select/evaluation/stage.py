"""The way of an evaluation on one screen: models found → rows and tasks read → each model judged → side by side."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spice_select.errors import InputError
from spice_select.evaluation.heldout import (
    HeldOutRows,
    RowLosses,
    by_source,
    encode_held_out,
    read_held_out,
    row_losses,
)
from spice_select.evaluation.kept import Kept, write_json
from spice_select.evaluation.loss import response_losses
from spice_select.evaluation.result import Evaluation, ModelResult
from spice_select.evaluation.scores import TaskScore
from spice_select.evaluation.settings import EvaluateSettings
from spice_select.evaluation.subjects import Opened, find_subject, open_subject
from spice_select.evaluation.trial import HELD_OUT, Trial
from spice_select.models.family import vocabulary_hash
from spice_select.progress import Progress, Silent

if TYPE_CHECKING:
    from spice_select.evaluation.harness import Harness

RESULTS = "results.json"
"""The table of the last evaluation, in the folder of results."""


def evaluate(
    *models: str | Path,
    held_out: str | Path | None = None,
    without: Sequence[str | Path] = (),
    out: str | Path = "evaluations",
    progress: Progress | None = None,
    **settings: Any,
) -> Evaluation:
    """Judge models by their response loss on held-out rows, by benchmarks, or both.

    Args:
        *models: model directories, hub ids, ``embedded``, PEFT adapters, or folders of finished trainings; the first
            is what the others are compared with.
        held_out: rows to take the response loss of, in any format that `select` reads.
        without: run folders; held-out rows that are in their corpora are left out, by content.
        out: folder of results; whatever is finished there is not computed again.
        progress: shown how far the work is; silent by default.
        **settings: any setting of `spice_select.evaluation.EvaluateSettings` by name, e.g.
            ``tasks=("gsm8k", "ifeval"), limit=100, base="Qwen/Qwen2.5-0.5B"``.

    Returns:
        The results, side by side; also written as JSON to ``out/results.json``.

    Raises:
        InputError: anything that the caller can mend, before any model is loaded.
    """
    return run_evaluate(
        [str(model) for model in models],
        EvaluateSettings.from_flat(settings),
        held_out=None if held_out is None else str(held_out),
        without=[Path(run) for run in without],
        out=Path(out),
        progress=progress,
    )


def run_evaluate(
    models: Sequence[str],
    settings: EvaluateSettings,
    *,
    held_out: str | None = None,
    without: Sequence[Path] = (),
    out: Path = Path("evaluations"),
    progress: Progress | None = None,
) -> Evaluation:
    """`evaluate` with the settings as one object."""
    progress = progress or Silent()
    _refuse_nothing(models, settings, held_out, without)
    subjects = [find_subject(name, settings.models) for name in dict.fromkeys(models)]
    rows = _rows(held_out, settings, without, progress)
    harness = _harness(settings)
    trials = [Trial(subject, settings, rows, harness, Kept(out)) for subject in subjects]
    for trial in trials:
        trial.check()
    judged = [(trial, *_judge(trial, progress)) for trial in trials]
    results = tuple(_result(trial, losses, scores, judged[0][1:]) for trial, losses, scores in judged)
    evaluation = Evaluation(
        models=results,
        held_out=held_out,
        left_out=rows.left_out if rows else 0,
        path=out / RESULTS,
        notes=rows.notes if rows else (),
    )
    write_json(evaluation.path, evaluation.to_json())
    return evaluation


def _judge(trial: Trial, progress: Progress) -> tuple[RowLosses | None, list[TaskScore]]:
    """What is missing is computed and kept at once; a model of which all is there is not loaded."""
    name, opened = trial.subject.name, None
    losses = trial.losses()
    if trial.rows is not None and losses is None:
        opened = _open(trial, progress)
        losses = _held_out(trial, trial.rows, opened, progress)
        trial.kept.write(name, HELD_OUT, trial.loss_identity, losses.to_json())
    scores = []
    for harness, planned in trial.benchmarks:
        score = trial.score(harness, planned)
        if score is None:
            opened = opened or _open(trial, progress)
            score = harness.run(planned, opened, progress)
            trial.kept.write(name, planned.task, trial.task_identity(harness, planned), score.to_json())
        scores.append(score)
    if opened is None:
        progress.note(f"{name}: finished already, nothing to do.")
    return losses, scores


def _open(trial: Trial, progress: Progress) -> Opened:
    with progress.task(f"Loading {trial.subject.name}", 1, "model") as advance:
        opened = open_subject(trial.subject, trial.settings.models)
        advance(1)
    return opened


def _held_out(trial: Trial, rows: HeldOutRows, opened: Opened, progress: Progress) -> RowLosses:
    examples, dropped = encode_held_out(rows, trial.encoder)
    sums = response_losses(opened.model, examples, batch_tokens=trial.batch_tokens, progress=progress)
    return row_losses(examples, sums, dropped, vocabulary_hash(trial.tokenizer))


def _result(
    trial: Trial,
    losses: RowLosses | None,
    scores: Sequence[TaskScore],
    first: tuple[RowLosses | None, Sequence[TaskScore]],
) -> ModelResult:
    first_losses, first_scores = first
    is_first = scores is first_scores
    against = None if is_first else first_losses
    return ModelResult(
        name=trial.subject.name,
        kind=trial.subject.kind,
        losses=() if losses is None else by_source(losses, against),
        scores=tuple(
            scores if is_first else (own.against(other) for own, other in zip(scores, first_scores, strict=True))
        ),
        notes=tuple(_notes(losses, against)),
    )


def _notes(losses: RowLosses | None, first: RowLosses | None) -> Iterator[str]:
    if losses is None:
        return
    if losses.truncated:
        yield f"{losses.truncated} held-out rows were cut at the maximum length."
    for reason, count in losses.dropped.items():
        yield f"{count} held-out rows could not be used: {reason}."
    if first is not None and losses.tokenizer != first.tokenizer:
        yield (
            "Its tokens are not those of the first model, so losses per token are not comparable; differences of them "
            "say nothing of quality."
        )


def _harness(settings: EvaluateSettings) -> "Harness | None":
    if not settings.benchmarks.tasks:
        return None
    from spice_select.evaluation.harness import Harness

    return Harness(settings.benchmarks, allow_network=settings.models.allow_network)


def _rows(
    held_out: str | None, settings: EvaluateSettings, without: Sequence[Path], progress: Progress
) -> HeldOutRows | None:
    if held_out is None:
        return None
    rows = read_held_out(held_out, settings.data, without=without, allow_network=settings.models.allow_network)
    left = f", {rows.left_out:,} left out that a run saw" if without else ""
    progress.note(f"{held_out}: {len(rows.rows):,} rows, {rows.format.describe()}{left}")
    return rows


def _refuse_nothing(
    models: Sequence[str], settings: EvaluateSettings, held_out: str | None, without: Sequence[Path]
) -> None:
    if not models:
        raise InputError("no model was given. Name one: `spice evaluate MODEL --held-out rows.jsonl`.")
    if held_out is None and not settings.benchmarks.tasks:
        raise InputError("nothing was asked: give --held-out FILE, --tasks gsm8k,ifeval, or both.")
    if without and held_out is None:
        raise InputError(
            "--without leaves rows out of --held-out FILE, which was not given. Give it, or drop --without."
        )
