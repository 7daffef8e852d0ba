"""How many optimiser steps a training makes."""

from dataclasses import dataclass

from spice_select.training.sft_settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """The length of a training.

    Attributes:
        steps: optimiser steps in all.
        epochs: passes over the rows that they make.
        sentence: how the number came about.
    """

    steps: int
    epochs: float
    sentence: str


def steps_per_epoch(rows: int, settings: TrainSettings) -> int:
    """Optimiser steps of one pass: the last may have fewer micro-batches, the last micro-batch fewer rows."""
    batches = -(-rows // settings.batch_size)
    return -(-batches // settings.accumulation)


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
        reason = f"as many as {settings.epochs} epochs of the {chosen} chosen rows make"
    else:
        steps, reason = settings.epochs * one, f"{settings.epochs} epochs of {rows} rows"
    return StepPlan(steps=steps, epochs=steps / one, sentence=f"{steps} optimiser steps: {reason}")
