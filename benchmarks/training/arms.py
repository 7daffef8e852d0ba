"""What is compared: who chooses the rows, on which schedule, and what the target is then tuned on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Arm:
    """One way to a tuned target.

    `select` are settings of `spice_select.select` beside the common ones; `train` are settings of `spice_select.train`.
    `seeded`: whether the choice is made anew with every seed, or once, so that seeds vary the tuning alone.
    """

    name: str
    select: Mapping[str, Any]
    train: Mapping[str, Any] = field(default_factory=dict)
    seeded: bool = True


MOVING = {"schedule": "interleaved"}
UNIT = {"normalise": "unit"}
PAPER = {"normalise": "none"}  # gradients as they are

ARMS = (
    Arm("random", {}, {"on": "random"}, seeded=False),
    # Picks that look at no gradient need none of the whole model: the last block's are taken, to be quick.
    Arm("random in pools", {**MOVING, "picker": "random", "last_blocks": 1}),
    Arm("interleaved SPICE", {**MOVING, **PAPER}),
    Arm("interleaved, λ = 0", {**MOVING, **PAPER, "conflict_weight": 0.0}),
    Arm("interleaved, unit norms", {**MOVING, **UNIT}),
    Arm("static SPICE", PAPER, seeded=False),
    Arm("static, unit norms", UNIT, seeded=False),
    Arm("static, unit norms, λ = 0", {**UNIT, "conflict_weight": 0.0}, seeded=False),
    Arm("static, unit norms, target variance", {**UNIT, "objective": "target-variance"}, seeded=False),
    Arm("full, as many steps", {}, {"on": "full", "match": "steps"}, seeded=False),
    Arm("full, one epoch", {}, {"on": "full", "epochs": 1}, seeded=False),
)
BESIDE = next(arm for arm in ARMS if arm.name == "static SPICE")
