"""Every setting of a target's training, declared once: for `spice_select.train(...)` and for `spice train`."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spice_select.errors import InputError, nearest

PERMISSIONS = (
    "device",
    "dtype",
    "allow_network",
    "allow_pickle",
    "trust_remote_code",
    "tensorboard",
    "keep_checkpoints",
)
"""Settings that say what may be done or kept, or are resolved when the model loads: they name no other result."""


class TrainSettings(BaseModel):
    """What is trained, on what, and how. Defaults: the paper's for the target; the batch is ours."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    model: str | None = Field(
        None, description="The target: a hub id or a local directory. Default: the proxy that the run selected with."
    )
    model_revision: str | None = Field(None, description="Revision of a hub model.")
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
    learning_rate: float = Field(5e-5, gt=0, description="Peak of the rate; it falls as a cosine to 0.")
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
    lora_rank: int = Field(16, ge=1, description="Rank of the LoRA.")
    lora_alpha: int = Field(32, ge=1, description="LoRA's alpha; the update is scaled by alpha / rank.")
    lora_dropout: float = Field(0.05, ge=0, lt=1, description="Dropout on LoRA's input.")
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
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to train.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Precision of the computation; LoRA's own weights, and all weights with --full, are float32. "
        "`auto` is bfloat16 on a GPU that multiplies it, else float32.",
    )
    allow_network: bool = Field(False, description="May reach the Hugging Face hub for the model or the corpus.")
    allow_pickle: bool = Field(False, description="May load pickled weights (they can run code when loaded).")
    trust_remote_code: bool = Field(False, description="May run Python code that comes with the model.")

    @classmethod
    def from_flat(cls, settings: dict[str, Any]) -> Self:
        """Settings by name. Raises InputError for unknown names, with the nearest known one, and bad values."""
        known = cls.model_fields
        faults = [f"unknown setting {name!r}.{nearest(name, known)}" for name in settings if name not in known]
        try:
            made = cls(**{name: value for name, value in settings.items() if name in known})
        except ValidationError as error:
            faults += [f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" for e in error.errors()]
        if faults:
            raise InputError("settings cannot be used:\n" + "\n".join(f"  - {fault}" for fault in faults))
        return made

    def decisive(self) -> dict[str, Any]:
        """What decides the result, flat and JSON-ready."""
        return {name: value for name, value in self.model_dump(mode="json").items() if name not in PERMISSIONS}
