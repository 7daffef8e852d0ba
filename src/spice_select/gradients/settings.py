"""Which gradients are taken: the settings, and combinations of them that make no sense."""

from typing import TYPE_CHECKING

from pydantic import Field

from spice_select.gradients import LOSSES, PARAMETERS, PRECONDITIONERS
from spice_select.settings.base import Group
from spice_select.settings.table import literal
from spice_select.sketch import DEFAULT, DEFAULT_DIM, DEFAULT_SIDE, SKETCHES

if TYPE_CHECKING:
    ParametersName = str
    LossName = str
    PreconditionerName = str
    SketchName = str
else:
    ParametersName = literal(PARAMETERS.names)
    LossName = literal(LOSSES.names)
    PreconditionerName = literal(("none", *PRECONDITIONERS.names))
    SketchName = literal(SKETCHES.names)


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
    lora_rank: int = Field(16, ge=1, description="Rank of the LoRA whose gradients are taken.")
    lora_alpha: float = Field(32.0, gt=0, description="LoRA's alpha; the update is scaled by alpha / rank.")
    lora_targets: tuple[str, ...] = Field(
        (),
        description="Names of the linear layers LoRA adapts (e.g. `q_proj v_proj`); all but the output head if empty.",
    )
    precondition: PreconditionerName = Field(
        "none",
        description=f"What is done to gradients before the sketch. {PRECONDITIONERS.described()}. Both need "
        "`--warmup-rows` or `--adapter`, and `--normalise unit`.",
    )
    warmup_rows: int | None = Field(
        None, ge=1, description="Rows on which the LoRA is trained (AdamW, 8 a step) before its gradients are taken."
    )
    adapter: str | None = Field(
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
    batch_tokens: int | None = Field(
        None, ge=1, description="Tokens in one batch, padding included. Default: 2048 on a CPU, 16384 on a GPU."
    )

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
        faults, warm = [], self.warmup_rows is not None or self.adapter is not None
        if self.warmup_rows is not None and self.adapter is not None:
            faults.append("--warmup-rows with --adapter: the adapter is trained already. Leave one of them out.")
        if self.parameters != "lora" and (warm or self.precondition != "none"):
            faults.append(
                f"--parameters {self.parameters} with --warmup-rows, --adapter or --precondition: only a LoRA is "
                "warmed up and has an optimizer's state. Give --parameters lora, or leave them out."
            )
        if self.precondition != "none" and not warm:
            faults.append(
                f"--precondition {self.precondition}: Adam's moments come from a training. Give --warmup-rows (say "
                "200), or --adapter with a checkpoint."
            )
        if self.adapter is not None and (self.lora_targets or self.last_blocks is not None):
            faults.append("--adapter with --lora-targets or --last-blocks: it brings its own layers. Leave them out.")
        return faults

    def _unread(self) -> list[str]:
        """Settings that what was chosen beside them does not read."""
        changed, faults = self.changed(), []
        if "sketch_side" in changed and self.sketch != "kronecker":
            faults.append(f"--sketch-side {self.sketch_side}: only --sketch kronecker reads it. Leave it out.")
        if "sketch_dim" in changed and self.sketch == "identity":
            faults.append(f"--sketch-dim {self.sketch_dim}: --sketch identity keeps gradients whole. Leave it out.")
        of_lora = [name for name in ("lora_rank", "lora_alpha") if name in changed]
        if of_lora and (self.parameters != "lora" or self.adapter is not None):
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in of_lora)
            reason = (
                f"--parameters {self.parameters} has no LoRA" if self.adapter is None else "--adapter brings its own"
            )
            faults.append(f"{flags}: {reason}. Leave it out.")
        return faults
