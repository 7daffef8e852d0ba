"""Every setting of a target's training, declared once: for `spice_select.train(...)` and for `spice train`."""

from typing import Any, Literal

from pydantic import Field

from spice_select.settings.access import ModelAccess, Opening
from spice_select.settings.base import Group
from spice_select.settings.places import Place

_OF_PAIRS = ("loss", "beta", "loss_type")
"""Settings that only pairs read; a training of pairs names what they come to."""
PERMISSIONS = (*Opening.model_fields, "tensorboard", "keep_checkpoints")
"""Settings that say what may be done or kept, or are resolved when the model loads: they name no other result."""


class _Training(Group):
    model: Place | None = Field(
        None,
        description="The target: a hub id or a local directory. Default: the proxy that the run selected with.",
    )
    on: Literal["selected", "full", "random"] = Field(
        "selected",
        description="Rows to train on: the chosen ones, every usable row of the corpus, or as many as were chosen "
        "drawn at random (by --seed).",
    )
    match: Literal["epochs", "steps"] = Field(
        "epochs",
        description="With --on full|random: `epochs` makes as many passes as the chosen rows would get, `steps` as "
        "many optimiser steps.",
    )
    epochs: int = Field(3, ge=1, description="Passes over the rows.")
    max_steps: int | None = Field(None, ge=1, description="Optimiser steps, instead of epochs.")
    loss: Literal["sft", "dpo"] | None = Field(
        None, description="`sft` on answers, `dpo` on preference pairs. Default: what the run's rows are."
    )
    beta: float | None = Field(
        None, gt=0, description="With `dpo`: how dear it is to leave the reference, the target itself. Default: 0.1."
    )
    loss_type: Literal["sigmoid", "sigmoid_norm", "ipo", "hinge"] | None = Field(
        None,
        description="With `dpo`: TRL's loss. Default: the one whose gradient the pairs were chosen by, `sigmoid` for "
        "sums, `sigmoid_norm` for means.",
    )
    learning_rate: float | None = Field(
        None, gt=0, description="Peak of the rate; it falls as a cosine to 0. Default: 5e-5, with `dpo` 5e-6."
    )
    warmup_ratio: float = Field(0.03, ge=0, lt=1, description="Share of the steps of linear warm-up.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's weight decay.")
    clip_norm: float = Field(1.0, gt=0, description="Longest gradient of a step; longer ones are scaled down to it.")
    batch_size: int = Field(4, ge=1, description="Rows in a micro-batch.")
    accumulation: int = Field(4, ge=1, description="Micro-batches in an optimiser step.")
    max_length: int | None = Field(
        None, ge=2, description="Longest example in tokens, cut at the end. Default: the selection's."
    )
    seed: int = Field(
        0, ge=0, le=2**32 - 1, description="Seed of the order of rows, the LoRA, the dropout and the random draw."
    )
    full: bool = Field(False, description="Train all weights instead of a LoRA.")
    lora_rank: int = Field(16, ge=1, description="Rank of the LoRA that is trained.")
    lora_alpha: int = Field(32, ge=1, description="LoRA's alpha; the update is scaled by alpha / rank.")
    lora_dropout: float | None = Field(
        None, ge=0, lt=1, description="Dropout on LoRA's input. Default: 0.05, with `dpo` none."
    )
    lora_targets: tuple[str, ...] = Field(
        (), description="Names of the linear layers LoRA adapts (e.g. `q_proj v_proj`); all but the head if empty."
    )
    gradient_checkpointing: bool = Field(False, description="Recompute activations: less memory, more time.")
    plain_template: bool = Field(
        False,
        description="Where the tokenizer has no chat template, use `### Instruction` and `### Response` headings; "
        "the trained tokenizer keeps them.",
    )
    checkpoint_steps: int | None = Field(
        None, ge=1, description="Optimiser steps between checkpoints. Default: a tenth of them all."
    )
    keep_checkpoints: bool = Field(False, description="Keep the checkpoints of a finished training.")
    tensorboard: bool = Field(False, description="Log to TensorBoard too, in `tensorboard/` of the folder.")


class TrainSettings(ModelAccess, _Training):
    """What is trained, on what, and how. Defaults: the paper's for the target; the batch is ours."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Device to train on; `auto` is a GPU where one is."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Precision of the computation; LoRA's own weights, and all weights with --full, are float32. "
        "`auto` is bfloat16 on a GPU that multiplies it, else float32.",
    )

    def clashes(self) -> list[str]:
        """Settings that others leave without effect: they would name another training, which ends as this one does."""
        changed, faults = self.changed(), []
        of_lora = [f"--{name.replace('_', '-')}" for name in changed if name.startswith("lora_")]
        if self.full and of_lora:
            faults.append(f"--full with {' '.join(of_lora)}: no LoRA is trained. Leave out one or the other.")
        if self.match == "steps" and self.on == "selected":
            faults.append(
                "--match steps with --on selected: the chosen rows are what others are matched with. Give --on full "
                "or --on random, or leave it out."
            )
        both = [f"--{name} {changed[name]}" for name in ("match", "epochs") if name in changed]
        if self.max_steps is not None and both:
            faults.append(
                f"--max-steps {self.max_steps} with {' and '.join(both)}: each says how many steps are made. Leave "
                "out one or the other."
            )
        return faults

    def settled(self, *, pairs: bool) -> "TrainSettings":
        """With what is left open decided by whether the rows are pairs."""
        rate, dropout = (5e-6, 0.0) if pairs else (5e-5, 0.05)
        return self.model_copy(
            update={
                "learning_rate": rate if self.learning_rate is None else self.learning_rate,
                "lora_dropout": dropout if self.lora_dropout is None else self.lora_dropout,
            }
        )

    def decisive(self) -> dict[str, Any]:
        """What decides the result, flat and JSON-ready."""
        return {name: value for name, value in self.flat().items() if name not in (*PERMISSIONS, *_OF_PAIRS)}
