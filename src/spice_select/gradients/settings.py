"""Which gradients are taken: the settings, and combinations of them that make no sense."""

from typing import TYPE_CHECKING

from pydantic import Field

from spice_select.gradients import LOSSES, PAIR_GRADIENTS, PARAMETERS, PRECONDITIONERS
from spice_select.settings.base import Group
from spice_select.settings.places import Place
from spice_select.settings.table import literal
from spice_select.sketch import DEFAULT, DEFAULT_DIM, DEFAULT_SIDE, SKETCHES

if TYPE_CHECKING:
    ParametersName = str
    LossName = str
    PairGradientName = str
    PreconditionerName = str
    SketchName = str
else:
    ParametersName = literal(PARAMETERS.names)
    LossName = literal(LOSSES.names)
    PairGradientName = literal(PAIR_GRADIENTS.names)
    PreconditionerName = literal(("none", *PRECONDITIONERS.names))
    SketchName = literal(SKETCHES.names)


STEP_ROWS = 8
"""Rows in an optimiser step of a warm-up."""


class GradientSettings(Group):
    """Which gradients are taken, and how they are compressed."""

    parameters: ParametersName = Field("lora", description=f"Whose gradients. {PARAMETERS.described()}.")
    last_blocks: int | None = Field(
        None,
        ge=1,
        description="Only the layers in the last so many transformer blocks, with `lora` or `full`: the backward pass "
        "stops below them. Default: all blocks.",
    )
    loss: LossName = Field("mean", description=f"Response loss of a sample. {LOSSES.described()}.")
    pair_gradient: PairGradientName = Field(
        "sum",
        description=f"With preference pairs, in place of `--loss`: the difference of the answers' log-probabilities "
        f"that is differentiated. {PAIR_GRADIENTS.described()}.",
    )
    pair_tail: float = Field(
        0.5,
        ge=0,
        le=1,
        description="With `--pair-gradient tail`: what a token beyond the shorter answer's length counts.",
    )
    pair_beta: float = Field(
        0.1,
        gt=0,
        description="With preference pairs on a proxy that is trained (`--warm`, `--schedule interleaved`): β of the "
        "DPO loss that it is trained by, and of the weight σ(−βΔ) of a pair.",
    )
    lora_rank: int = Field(16, ge=1, description="Rank of the LoRA whose gradients are taken.")
    lora_alpha: float = Field(32.0, gt=0, description="LoRA's alpha; the update is scaled by alpha / rank.")
    lora_targets: tuple[str, ...] = Field(
        (),
        description="Names of the linear layers LoRA adapts (e.g. `q_proj v_proj`); all but the output head if empty.",
    )
    precondition: PreconditionerName = Field(
        "none",
        description=f"What is done to gradients before the sketch. {PRECONDITIONERS.described()}. Both need "
        "`--warm`, `--warmup-rows` or `--adapter`; leave `--normalise` at `unit`, for they change lengths by far.",
    )
    warm: bool = Field(
        False,
        description="Train the LoRA briefly before its gradients are taken, as LESS does: AdamW, 8 rows a step, on 5% "
        "of the rows, 128 at least, 64 steps or more (in several passes, where the rows are few). With `--parameters "
        "lora` alone: a cold LoRA has gradients of B only, a warm one of A and B.",
    )
    warmup_rows: int | None = Field(
        None,
        ge=1,
        description="In place of `--warm`: one pass over so many rows, however few the steps (AdamW, 8 rows each).",
    )
    warm_checkpoints: int = Field(
        1,
        ge=1,
        le=4,
        description="With `--warm` or `--warmup-rows`: take gradients at so many states of the LoRA, spread evenly "
        "over its training and weighed by the learning rate, and lay them side by side. LESS takes 4. With 1 the rate "
        "is constant; with more it rises over 3% of the steps and falls linearly. Time, and the size of the features, "
        "grow with it.",
    )
    adapter: Place | None = Field(
        None,
        description="A trained LoRA of the proxy to take the gradients of: a PEFT folder (a Trainer's checkpoint), or "
        "`gradients/warm.safetensors` of a run.",
    )
    sketch: SketchName = Field(
        DEFAULT, description=f"Random linear compression of the gradients. {SKETCHES.described()}."
    )
    sketch_dim: int = Field(
        DEFAULT_DIM, ge=1, description="Numbers kept of each gradient; cosines are off by about 1/√ of it."
    )
    sketch_side: int = Field(
        DEFAULT_SIDE, ge=1, description="With `--sketch kronecker`: numbers kept of each side of a layer's gradient."
    )
    proxy_seed: int | None = Field(
        None,
        ge=0,
        description="Seed of the LoRA, its warm-up and the sketch. Default: `--seed`. Given, other seeds draw other "
        "rows or pools from one and the same gradients, which are then computed once.",
    )
    batch_tokens: int | None = Field(
        None, ge=1, description="Tokens in one batch, padding included. Default: 2048 on a CPU, 16384 on a GPU."
    )

    @property
    def warms_up(self) -> bool:
        """Whether the LoRA is trained before its gradients are taken."""
        return self.warm or self.warmup_rows is not None

    def clashes(self) -> list[str]:
        """Combinations that make no sense, and settings that these others leave without effect."""
        faults, chosen = [], self.parameters
        if chosen == "last-layer" and self.last_blocks is not None:
            faults.append(
                f"--parameters last-layer with --last-blocks {self.last_blocks}: the output head lies above all "
                "blocks. Leave one of them out."
            )
        if chosen != "lora" and self.lora_targets:
            faults.append(
                f"--parameters {chosen} with --lora-targets {' '.join(self.lora_targets)}: no LoRA is there to be "
                "placed. Give --parameters lora, or leave the targets out."
            )
        if chosen == "full" and self.sketch == "rademacher":
            faults.append(
                "--parameters full with --sketch rademacher: it would draw parameters × dimensions signs for every "
                "batch. Give --sketch kronecker, or sparse-jl."
            )
        return [*faults, *self._warm_clashes(), *self._unread()]

    def _warm_clashes(self) -> list[str]:
        faults, warm = [], self.warms_up or self.adapter is not None
        if self.warm and self.warmup_rows is not None:
            faults.append(
                f"--warm with --warmup-rows {self.warmup_rows}: both say how long the LoRA is trained. Leave one of "
                "them out."
            )
        if self.warms_up and self.adapter is not None:
            flag = "--warm" if self.warm else "--warmup-rows"
            faults.append(f"{flag} with --adapter: the adapter is trained already. Leave one of them out.")
        if self.parameters != "lora" and (warm or self.precondition != "none"):
            faults.append(
                f"--parameters {self.parameters} with --warm, --warmup-rows, --adapter or --precondition: only a LoRA "
                "is warmed up and has an optimizer's state. Give --parameters lora, or leave them out."
            )
        if self.precondition != "none" and not warm:
            faults.append(
                f"--precondition {self.precondition}: Adam's moments come from a training. Give --warm, --warmup-rows "
                "(say 200), or --adapter with a checkpoint."
            )
        faults += self._checkpoint_clashes()
        if self.adapter is not None and (self.lora_targets or self.last_blocks is not None):
            faults.append("--adapter with --lora-targets or --last-blocks: it brings its own layers. Leave them out.")
        return faults

    def _checkpoint_clashes(self) -> list[str]:
        count, rows = self.warm_checkpoints, self.warmup_rows
        if count > 1 and not self.warms_up:
            return [
                f"--warm-checkpoints {count}: the LoRA is not trained here, so it has one state. Give --warm, or leave "
                "it out."
            ]
        steps = count if rows is None else -(-rows // STEP_ROWS)
        if steps < count:
            return [
                f"--warm-checkpoints {count} with --warmup-rows {rows}: the training has {steps} optimiser steps of "
                f"{STEP_ROWS} rows. Give --warmup-rows {count * STEP_ROWS} or more, or --warm."
            ]
        return []

    def _unread(self) -> list[str]:
        """Settings that what was chosen beside them does not read."""
        changed, faults = self.changed(), []
        if "sketch_side" in changed and self.sketch != "kronecker":
            faults.append(f"--sketch-side {self.sketch_side}: only --sketch kronecker reads it. Leave it out.")
        if "sketch_dim" in changed and self.sketch == "identity":
            faults.append(f"--sketch-dim {self.sketch_dim}: --sketch identity keeps gradients whole. Leave it out.")
        if "pair_tail" in changed and self.pair_gradient != "tail":
            faults.append(f"--pair-tail {self.pair_tail:g}: only --pair-gradient tail reads it. Leave it out.")
        of_lora = [name for name in ("lora_rank", "lora_alpha") if name in changed]
        if of_lora and (self.parameters != "lora" or self.adapter is not None):
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in of_lora)
            reason = (
                f"--parameters {self.parameters} has no LoRA" if self.adapter is None else "--adapter brings its own"
            )
            faults.append(f"{flags}: {reason}. Leave it out.")
        return faults
