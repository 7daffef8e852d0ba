"""What is watched while a target trains: progress, the loss curve, and whether its numbers are still numbers."""

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from spice_select.errors import DivergedError
from spice_select.progress import Advance

_NAMES = {"step": "step", "epoch": "epoch", "loss": "loss", "grad_norm": "gradient_norm", "learning_rate": "rate"}
_NAMES |= {"rewards/accuracies": "accuracy", "rewards/margins": "margin"}  # of pairs


class LossLog(TrainerCallback):  # type: ignore[misc]
    """Appends one JSON line a step: step, epoch, loss, gradient norm, learning rate; of pairs accuracy and margin.

    Args:
        path: the file; on resuming it is written anew from the checkpoint's own history.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._path.write_text("".join(_line(entry) for entry in state.log_history if "loss" in entry), encoding="utf-8")

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        entry = state.log_history[-1]
        if "loss" in entry and math.isfinite(entry["loss"]):
            with self._path.open("a", encoding="utf-8") as handle:
                handle.write(_line(entry))


def _line(entry: dict[str, Any]) -> str:
    return json.dumps({ours: entry[theirs] for theirs, ours in _NAMES.items() if theirs in entry}) + "\n"


class FiniteGuard(TrainerCallback):  # type: ignore[misc]
    """Stops before a step would be made with a gradient that is not finite, and at a loss that is not.

    Args:
        scaled: whether gradients are scaled (float16), where the scaler itself skips a step that overflows; then only
            the loss is looked at.
    """

    def __init__(self, *, scaled: bool) -> None:
        self._scaled = scaled

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, *, model: Any, **kwargs: Any) -> None:
        if self._scaled:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        if gradients and not torch.stack([g.norm().float() for g in gradients]).isfinite().all():
            raise _diverged(state.global_step + 1, "loss or its gradient")

    def on_log(self, args: Any, state: Any, control: Any, *, logs: dict[str, Any], **kwargs: Any) -> None:
        if not math.isfinite(logs.get("loss", 0.0)):
            raise _diverged(state.global_step, "loss")


class Ticker(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Tells the progress bar, and counts the seconds over all sessions (they travel in the checkpoints)."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._start = time.perf_counter()
        self._before = 0.0

    @property
    def seconds(self) -> float:
        """Time spent training so far."""
        return self._before + time.perf_counter() - self._start

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        kept = (state.stateful_callbacks or {}).get(type(self).__name__, {})
        if isinstance(kept, dict):
            self._before = float(kept.get("attributes", {}).get("seconds", 0.0))
        self._start = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._advance(1)

    def state(self) -> dict[str, Any]:
        """See `ExportableState`."""
        return {"args": {}, "attributes": {"seconds": self.seconds}}


class AllStepsMadeError(Exception):
    """A training that goes on from its last step has nothing left to do."""


class NoStepTooMany(TrainerCallback):  # type: ignore[misc]
    """Ends a training that goes on from its last step, once weights and state are those of the checkpoint.

    transformers looks at the number of steps after a step alone: where they end within an epoch it would make another.
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step >= state.max_steps:
            raise AllStepsMadeError


def _diverged(step: int, what: str) -> DivergedError:
    """The model is as it was after the step before."""
    return DivergedError(f"the {what} of step {step} is not a finite number", step=step - 1)
