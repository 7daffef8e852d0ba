"""How many optimiser steps a training makes, and how many of them warm it up."""

import math
from dataclasses import dataclass

from spice_select.settings.counted import counted
from spice_select.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """The length of a training.

    Attributes:
        steps: optimiser steps in all.
        epochs: passes over the rows that they make.
        warmup: steps of warm-up among them; the first of these has a rate of 0.
        sentence: how the number came about.
    """

    steps: int
    epochs: float
    warmup: int
    sentence: str


def steps_per_epoch(rows: int, settings: TrainSettings) -> int:
    """Optimiser steps of one pass: the last may have fewer micro-batches, the last micro-batch fewer rows."""
    batches = -(-rows // settings.batch_size)
    return -(-batches // settings.accumulation)


def warmup_steps(steps: int, settings: TrainSettings) -> int:
    """Steps of linear warm-up, rounded up as transformers does; none in a training of one step.

    A warm-up begins at a rate of 0, so a single step of it would train nothing.
    """
    return math.ceil(steps * settings.warmup_ratio) if steps > 1 else 0


def plan_steps(settings: TrainSettings, *, rows: int, chosen: int) -> StepPlan:
    """The number of steps.

    Args:
        settings: epochs or steps, batch and accumulation, and what the arms share.
        rows: rows to train on.
        chosen: rows that the ``selected`` arm would train on.
    """
    one = steps_per_epoch(rows, settings)
    if settings.max_steps is not None:
        steps, reason = settings.max_steps, "as asked"
    elif settings.match == "steps" and settings.on != "selected":
        steps = settings.epochs * steps_per_epoch(chosen, settings)
        reason = f"as many as in {counted(settings.epochs, 'epoch')} of the {counted(chosen, 'chosen row')}"
    else:
        steps, reason = settings.epochs * one, f"{counted(settings.epochs, 'epoch')} of {counted(rows, 'row')}"
    warmup = warmup_steps(steps, settings)
    return StepPlan(
        steps=steps,
        epochs=steps / one,
        warmup=warmup,
        sentence=f"{steps} optimiser steps: {reason}{_rates(warmup, settings)}",
    )


def _rates(warmup: int, settings: TrainSettings) -> str:
    """What is to be known of the rate of the first step."""
    if warmup > 0:
        return f"; {warmup} of warm-up, whose first has a rate of 0 and moves nothing"
    if settings.warmup_ratio > 0:
        return "; without warm-up, whose rate of 0 would leave a single step nothing to train with"
    return ""
