"""The way of an evaluation on one screen: models found → rows and tasks read → each model judged → side by side."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spice_select.data.formats import described
from spice_select.errors import InputError, SpiceError
from spice_select.evaluation.heldout import (
    HeldOutRows,
    RowLosses,
    by_source,
    encode_held_out,
    read_held_out,
    row_losses,
)
from spice_select.evaluation.loss import response_losses
from spice_select.evaluation.preference import PairLogProbs, pair_log_probs, preference_scores
from spice_select.evaluation.provenance import hold_to_record, settings_for
from spice_select.evaluation.result import Evaluation, Failure, ModelResult, RowUse
from spice_select.evaluation.results import Kept
from spice_select.evaluation.scores import TaskScore
from spice_select.evaluation.settings import EvaluateSettings
from spice_select.evaluation.subjects import Opened, Subject, find_subject, open_subject
from spice_select.evaluation.trial import HELD_OUT, LOADING, Trial
from spice_select.gradients.memory import is_out_of_memory
from spice_select.models.family import vocabulary_hash
from spice_select.progress import Progress, Silent
from spice_select.settings.counted import counted
from spice_select.settings.places import place_text
from spice_select.store import write_json

if TYPE_CHECKING:
    from spice_select.evaluation.harness import Harness

RESULTS = "results.json"
"""The table of the last evaluation, in the folder of results."""
_MODELS = "Give directories, hub ids or `embedded`, each as an argument of its own: evaluate(first, second)."


def evaluate(
    *models: str | Path,
    held_out: str | Path | None = None,
    without: str | Path | Sequence[str | Path] = (),
    out: str | Path = "evaluations",
    progress: Progress | None = None,
    **settings: Any,
) -> Evaluation:
    """Judge models by their response loss on held-out rows, by benchmarks, or both.

    Args:
        *models: model directories, hub ids, ``embedded``, PEFT adapters, or folders of finished trainings; the first
            is what the others are compared with.
        held_out: rows to take the response loss of, in any format that `select` reads.
        without: run folders; held-out rows that stand in their corpora are left out, word for word or nearly.
        out: folder of results; whatever is finished there is not computed again.
        progress: shown how far the work is; silent by default.
        **settings: any setting of `spice_select.evaluation.EvaluateSettings` by name, e.g.
            ``tasks=("gsm8k", "ifeval"), limit=100, base="Qwen/Qwen2.5-0.5B"``.

    Returns:
        The results, side by side; also written as JSON to ``out/results.json``. A part that failed at work is named in
        `Evaluation.failures`; the others stand.

    Raises:
        InputError: anything that the caller can mend, before any model is loaded.
    """
    return run_evaluate(
        [place_text(model, _MODELS) for model in models],
        EvaluateSettings.from_flat(settings),
        held_out=None if held_out is None else place_text(held_out),
        without=[Path(run) for run in ([without] if isinstance(without, (str, Path)) else without)],
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
    found = [_find(name, settings) for name in dict.fromkeys(models)]
    if settings.models.base is not None and all(subject.adapter is None for subject, _ in found):
        raise InputError(
            f"--base {settings.models.base}: none of the models is an adapter that it could be the base of. To judge "
            "it, name it among the models; else leave it out."
        )
    rows = _rows(held_out, settings, without, progress)
    harness = _harness(settings)
    trials = [Trial(subject, settings, rows, harness, Kept(out), notes) for subject, notes in found]
    for trial in trials:
        trial.check()
    judged = [_judge(trial, progress) for trial in trials]
    _refuse_all_failed(judged)
    evaluation = Evaluation(
        models=tuple(_result(one, judged[0]) for one in judged),
        held_out=held_out,
        left_out=rows.left_out if rows else 0,
        path=out / RESULTS,
        notes=rows.notes if rows else (),
    )
    write_json(evaluation.path, evaluation.to_json())
    return evaluation


def check_tasks(name: str, settings: EvaluateSettings) -> None:
    """Refuse benchmarks that could not be run on a model, before anything is computed; the model is not loaded.

    Raises:
        InputError: as `evaluate`: a task that there is not, its data or what it needs are not here, code that may not
            be run.
    """
    subject, _ = _find(name, settings)
    Trial(subject, settings, None, _harness(settings), Kept(Path()), ()).check()


@dataclass
class _Judged:
    """One model, and what was found of it so far.

    Attributes:
        trial: what was asked.
        losses: on the held-out rows, or what stands for it on pairs, if asked and finished.
        found: the score by the benchmark's name, in the order asked; None where it is not finished.
        failures: what failed at work.
    """

    trial: Trial
    losses: RowLosses | PairLogProbs | None = None
    found: dict[str, TaskScore | None] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    @property
    def scores(self) -> dict[str, TaskScore]:
        """Those that are finished."""
        return {benchmark: score for benchmark, score in self.found.items() if score is not None}

    @contextmanager
    def attempt(self, what: str, keeps: Callable[[Exception], bool] = lambda _: True) -> Iterator[None]:
        """Keep the failure of one part from taking the others with it; an interruption is none.

        Args:
            what: the part.
            keeps: whether an error is a failure of that part; others are raised.
        """
        try:
            yield
        except Exception as error:
            if not keeps(error):
                raise
            self.failures.append(Failure.of(error, model=self.trial.subject.name, what=what))


def _refuse_all_failed(judged: Sequence[_Judged]) -> None:
    """Raise what failed where nothing stands: an InputError if all of it can be mended by the caller."""
    failures = [failure for one in judged for failure in one.failures]
    if not failures or any(one.losses is not None or one.scores for one in judged):
        return
    kind = InputError if all(failure.mendable for failure in failures) else SpiceError
    error = kind("; ".join(dict.fromkeys(f"{failure.what}: {failure.cause}" for failure in failures)))
    for trace in dict.fromkeys(failure.trace for failure in failures if failure.trace):
        error.add_note(trace)  # where it failed is elsewhere than here
    raise error


def _find(name: str, settings: EvaluateSettings) -> tuple[Subject, tuple[str, ...]]:
    """A model, held against what its training recorded; and what is to be said of it."""
    opened = settings_for(name, settings.models)
    subject = find_subject(name, opened)
    note = hold_to_record(subject, opened)
    return subject, () if note is None else (note,)


def _judge(trial: Trial, progress: Progress) -> _Judged:
    """What is missing is computed and kept at once; a model of which all is there is not loaded."""
    judged, name = _Judged(trial, losses=trial.losses()), trial.subject.name
    judged.found = {planned.benchmark.name: trial.score(harness, planned) for harness, planned in trial.benchmarks}
    rows = trial.rows if judged.losses is None else None
    if rows is None and None not in judged.found.values():
        progress.note(f"{name}: finished already, nothing to do.")
        return judged
    opened = None
    with judged.attempt(LOADING, keeps=_of_the_model):
        opened = _open(trial, progress)
    if opened is None:
        return judged
    if rows is not None:
        with judged.attempt(HELD_OUT):
            judged.losses = _held_out(trial, rows, opened, progress)
            trial.kept.write(name, HELD_OUT, trial.loss_identity, judged.losses.to_json())
    for harness, planned in trial.benchmarks:
        if judged.found[planned.benchmark.name] is not None:
            continue
        with judged.attempt(planned.benchmark.name):
            score = harness.run(planned, opened, progress)
            trial.kept.write(name, planned.task, trial.task_identity(harness, planned), score.to_json())
            judged.found[planned.benchmark.name] = score
    return judged


def _of_the_model(error: Exception) -> bool:
    """Whether a model that does not load is to blame, or the machine: all else is our fault, and shows where."""
    return isinstance(error, SpiceError | MemoryError) or (isinstance(error, RuntimeError) and is_out_of_memory(error))


def _open(trial: Trial, progress: Progress) -> Opened:
    with progress.task(f"Loading {trial.subject.name}", 1, "model") as advance:
        opened = open_subject(trial.subject, trial.settings.models)
        advance(1)
    return opened


def _held_out(trial: Trial, rows: HeldOutRows, opened: Opened, progress: Progress) -> RowLosses | PairLogProbs:
    vocabulary = vocabulary_hash(trial.tokenizer)
    if rows.are_pairs:
        return pair_log_probs(
            opened.model,
            rows,
            trial.encoder,
            batch_tokens=trial.batch_tokens,
            tokenizer=vocabulary,
            progress=progress,
        )
    examples, dropped = encode_held_out(rows, trial.encoder)
    sums = response_losses(opened.model, examples, batch_tokens=trial.batch_tokens, progress=progress)
    return row_losses(examples, sums, dropped, vocabulary)


def _result(judged: _Judged, first: _Judged) -> ModelResult:
    is_first, trial = judged is first, judged.trial
    against = None if is_first else first.losses
    scores = [
        score if is_first or name not in first.scores else score.against(first.scores[name])
        for name, score in judged.scores.items()
    ]
    losses = judged.losses
    return ModelResult(
        name=trial.subject.name,
        kind=trial.subject.kind,
        losses=by_source(losses, against if isinstance(against, RowLosses) else None)
        if isinstance(losses, RowLosses)
        else (),
        preferences=preference_scores(
            losses,
            against if isinstance(against, PairLogProbs) else None,
            beta=trial.settings.preference.beta,
        )
        if isinstance(losses, PairLogProbs)
        else (),
        scores=tuple(scores),
        rows=None if losses is None or trial.rows is None else _use(trial.rows, losses),
        failures=tuple(judged.failures),
        notes=(*trial.notes, *_notes(losses, against), *_score_notes(scores)),
    )


def _use(rows: HeldOutRows, losses: RowLosses | PairLogProbs) -> RowUse:
    return RowUse(
        given=len(rows.rows), judged=len(losses.rows), truncated=losses.truncated, dropped=dict(losses.dropped)
    )


def _score_notes(scores: Sequence[TaskScore]) -> Iterator[str]:
    for score in scores:
        for note in score.notes:
            yield f"{score.benchmark}: {note}"
        for metric, cause in score.missing.items():
            yield f"{score.benchmark}: no {metric}: {cause}."
        if score.aggregate is not None and not score.draws:
            yield f"{score.benchmark}: {score.metric} has no interval: of documents drawn anew it cannot be computed."


def _notes(losses: RowLosses | PairLogProbs | None, first: RowLosses | PairLogProbs | None) -> Iterator[str]:
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
        if settings.preference.changed():
            raise InputError(_BETA)
        return None
    network = settings.models.allow_network
    rows = read_held_out(held_out, settings.data, without=without, allow_network=network, progress=progress)
    left = f", {rows.left_out:,} left out that say what a run's corpus says" if without else ""
    progress.note(f"{held_out}: {counted(len(rows.rows), 'row')}, {described(rows.format)}{left}")
    if settings.preference.changed() and not rows.are_pairs:
        raise InputError(_BETA)
    return rows


_BETA = "--beta: only held-out preference pairs read it (rows with chosen and rejected). Leave it out."


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
