"""The settings that the written configurations start from; they are there to be changed."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """Supervised fine-tuning as the paper has it for the target (arXiv 2601.23155); the batch is ours.

    Attributes:
        learning_rate: peak, with a cosine decay.
        epochs: passes over the chosen rows.
        warmup_ratio: share of the steps spent warming up.
        lora_rank: r, on all linear layers but the output head.
        lora_alpha: the update is scaled by alpha / rank.
        lora_dropout: on LoRA's input.
        batch_size: rows in a micro-batch on each device.
        accumulation: micro-batches in a step.
    """

    learning_rate: float = 5e-5
    epochs: int = 3
    warmup_ratio: float = 0.03
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    batch_size: int = 4
    accumulation: int = 4
