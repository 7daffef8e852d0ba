"""What an evaluation found: every model's losses and scores, and their differences to the first model's."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spice_select.evaluation.heldout import SourceLoss
from spice_select.evaluation.scores import TaskScore


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """One model.

    Attributes:
        name: as it was called.
        kind: ``model`` or ``adapter``.
        losses: held-out loss of all rows together and by source; empty without held-out rows.
        scores: one a benchmark, in the order asked.
        notes: what a person should know.
    """

    name: str
    kind: str
    losses: tuple[SourceLoss, ...]
    scores: tuple[TaskScore, ...]
    notes: tuple[str, ...]


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
                        "held_out": [asdict(loss) for loss in model.losses],
                        "tasks": [_score(score) for score in model.scores],
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
        "seconds": score.seconds,
        "reported": score.reported,
    }


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
