"""What an evaluation found: every model's losses and scores, and their differences to the first model's."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spice_select.errors import PartFailure
from spice_select.evaluation.heldout import SourceLoss
from spice_select.evaluation.preference import PreferenceScores
from spice_select.evaluation.scores import TaskScore


@dataclass(frozen=True, kw_only=True)
class RowUse:
    """What became of the held-out rows under one model.

    Attributes:
        given: rows to judge on, those left out that a run saw not counted.
        judged: rows that the loss is of.
        truncated: rows of these that were cut at the maximum length.
        dropped: rows that could not be used, by reason.
    """

    given: int
    judged: int
    truncated: int
    dropped: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Failure(PartFailure):
    """A part of an evaluation that failed at work; what else was asked stands.

    Attributes:
        model: its name.
        what: the benchmark, ``held-out``, or ``loading``: of a model that does not load nothing is computed.
    """

    model: str
    what: str


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """One model.

    Attributes:
        name: as it was called.
        kind: ``model`` or ``adapter``.
        losses: held-out loss of all rows together and by source; empty without held-out rows.
        scores: one a benchmark, in the order asked; those that failed are in `failures`.
        notes: what a person should know.
        rows: what became of the held-out rows; None without any, or where they failed.
        failures: what failed at work.
        preferences: of held-out pairs, all together and by length; empty for other rows.
    """

    name: str
    kind: str
    losses: tuple[SourceLoss, ...]
    scores: tuple[TaskScore, ...]
    notes: tuple[str, ...]
    rows: RowUse | None = None
    failures: tuple[Failure, ...] = ()
    preferences: tuple[PreferenceScores, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Several models side by side; differences are to the first.

    Attributes:
        models: in the order given.
        held_out: the file of held-out rows, if any.
        left_out: how many of its rows were left out because a run saw them.
        path: the JSON file that holds all of this.
        notes: what lay beside the held-out rows and was not read, a sentence each.
    """

    models: tuple[ModelResult, ...]
    held_out: str | None
    left_out: int
    path: Path
    notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What failed at work, of all models."""
        return tuple(failure for model in self.models for failure in model.failures)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; what is not a number (a standard error of one row) is null."""
        return _clean(
            {
                "held_out": self.held_out,
                "left_out": self.left_out,
                "notes": list(self.notes),
                "models": [
                    {
                        "name": model.name,
                        "kind": model.kind,
                        "rows": None if model.rows is None else asdict(model.rows),
                        "held_out": [asdict(loss) for loss in model.losses],
                        "preference": [asdict(score) for score in model.preferences],
                        "tasks": [_score(score) for score in model.scores],
                        "failures": [asdict(failure) for failure in model.failures],
                        "notes": list(model.notes),
                    }
                    for model in self.models
                ],
            }
        )


def _score(score: TaskScore) -> dict[str, Any]:
    return {
        "benchmark": score.benchmark,
        "task": score.task,
        "metric": score.metric,
        "shots": list(score.shots),
        "score": asdict(score.score),
        "difference": None if score.difference is None else asdict(score.difference),
        "is_share": score.is_share,
        "missing": score.missing,
        "seconds": score.seconds,
        "reported": score.reported,
    }


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
