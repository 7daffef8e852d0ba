"""How long a proxy's LoRA is warmed up, on how many rows, and where on the way its gradients are taken: no torch here.

`--warm` is the warm-up of LESS (Xia et al. 2024, arXiv 2402.04333, section 4): a twentieth of the rows. With several
checkpoints the rate is theirs too: it rises over 3 % of the steps and falls linearly to zero, and each checkpoint
weighs as much as the rates of the steps since the one before it add up to.
"""

from dataclasses import dataclass, replace
from math import fsum

from spice_select.errors import InputError
from spice_select.features.rate import CONSTANT, Rate
from spice_select.gradients.settings import STEP_ROWS, GradientSettings
from spice_select.settings.counted import counted

SHARE = 20
"""`--warm` draws one row in so many."""
LEAST_DRAWN = 128
"""Rows that `--warm` draws at least: four passes over them make `LEAST_STEPS`, as many as LESS makes; over fewer the
LoRA learns them by heart (8 rows met 64 times raised the loss on others by .26 nats)."""
LEAST_STEPS = 64
"""Optimiser steps that `--warm` makes at least: with fewer the second moments of Adam mean little, and B is near 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """How a LoRA is warmed up: AdamW without decay of weights, on a seeded sample.

    Attributes:
        rows: rows drawn; fewer if the corpus has fewer.
        step_rows: rows in an optimiser step, which minimises the mean of their losses; the last of a pass may have
            fewer.
        passes: over the rows drawn, each in an order of its own.
        checkpoints: states of the adapter that gradients are taken at, spread evenly over the steps; the last is the
            end.
        rate: of AdamW, step by step.
        batch_tokens: tokens in a forward pass, padding included; a step is accumulated over several.
        seed: of the draw, the orders and A.
    """

    rows: int
    step_rows: int = STEP_ROWS
    passes: int = 1
    checkpoints: int = 1
    rate: Rate = CONSTANT
    batch_tokens: int = 2048
    seed: int = 0

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.passes * -(-self.rows // self.step_rows)

    @property
    def ends(self) -> tuple[int, ...]:
        """Steps made when each checkpoint is reached, ascending; the last is `steps`.

        Raises:
            InputError: fewer steps than checkpoints.
        """
        if self.steps < self.checkpoints:
            raise InputError(
                f"--warm-checkpoints {self.checkpoints}: a warm-up on {counted(self.rows, 'row')} makes "
                f"{counted(self.steps, 'optimiser step')} of {self.step_rows} rows. Give fewer checkpoints, more "
                "rows, or --warm"
            )
        return tuple(self.steps * number // self.checkpoints for number in range(1, self.checkpoints + 1))

    @property
    def weights(self) -> tuple[float, ...]:
        """What each checkpoint weighs: the rates of its part of the steps over those of all. They sum to one.

        Raises:
            InputError: as `ends`.
        """
        rates = [self.rate.at(step, self.steps) for step in range(self.steps)]
        starts = (0, *self.ends[:-1])
        return tuple(fsum(rates[start:end]) / fsum(rates) for start, end in zip(starts, self.ends, strict=True))

    def of_pairs(self) -> "Warmup":
        """The same on pairs: a tenth of the rate, as trainers have it of DPO beside that of SFT."""
        return replace(self, rate=replace(self.rate, peak=self.rate.peak / 10))

    def of(self, usable: int) -> "Warmup":
        """The same of so many rows."""
        return replace(self, rows=min(self.rows, usable))

    def sentence(self) -> str:
        """What is about to be done, for a person."""
        rounds = "one pass" if self.passes == 1 else f"{self.passes} passes"
        said = f"Warm-up: {rounds} over {counted(self.rows, 'row')}, {counted(self.steps, 'step')}."
        if self.checkpoints == 1:
            return said
        shown = ", ".join(f"{weight:.3f}" for weight in self.weights)
        return f"{said} Gradients at {self.checkpoints} checkpoints, which weigh {shown}."


def plan_warmup(asked: GradientSettings, usable: int, *, batch_tokens: int = 2048, seed: int = 0) -> Warmup | None:
    """The warm-up that the settings ask for, of a corpus of so many usable rows; None for none.

    Args:
        asked: the settings.
        usable: rows to draw from.
        batch_tokens, seed: see `Warmup`.

    Raises:
        InputError: fewer steps than checkpoints.
    """
    if not asked.warms_up:
        return None
    rows = max(LEAST_DRAWN, -(-usable // SHARE)) if asked.warmup_rows is None else asked.warmup_rows
    once = Warmup(
        rows=min(rows, usable),
        checkpoints=asked.warm_checkpoints,
        rate=Rate() if asked.warm_checkpoints > 1 else CONSTANT,
        batch_tokens=batch_tokens,
        seed=seed,
    )
    plan = replace(once, passes=-(-LEAST_STEPS // max(1, once.steps))) if asked.warm else once
    plan.ends  # noqa: B018 - refused here, before a model is loaded
    return plan
