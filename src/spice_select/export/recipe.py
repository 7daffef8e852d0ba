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


def axolotl_recipe(recipe: TrainingRecipe, *, adapter: str = "", batch: str = "") -> str:
    """A recipe as axolotl's YAML has it, to the end of the file; `adapter` and `batch` are said behind their lines."""
    return f"""\
adapter: lora{adapter}
lora_r: {recipe.lora_rank}
lora_alpha: {recipe.lora_alpha}
lora_dropout: {recipe.lora_dropout}
lora_target_linear: true

optimizer: adamw_torch
learning_rate: {recipe.learning_rate:.1e}
lr_scheduler: cosine
warmup_ratio: {recipe.warmup_ratio}
num_epochs: {recipe.epochs}
micro_batch_size: {recipe.batch_size}{batch}
gradient_accumulation_steps: {recipe.accumulation}
bf16: auto
seed: 0

output_dir: outputs
logging_steps: 10
"""


def llamafactory_recipe(recipe: TrainingRecipe, *, adapter: str = "", batch: str = "") -> str:
    """The same as LLaMA-Factory's YAML has it."""
    return f"""\
finetuning_type: lora{adapter}
lora_rank: {recipe.lora_rank}
lora_alpha: {recipe.lora_alpha}
lora_dropout: {recipe.lora_dropout}
lora_target: all

learning_rate: {recipe.learning_rate:.1e}
lr_scheduler_type: cosine
warmup_ratio: {recipe.warmup_ratio}
num_train_epochs: {recipe.epochs}
per_device_train_batch_size: {recipe.batch_size}{batch}
gradient_accumulation_steps: {recipe.accumulation}
bf16: true  # false where the hardware has none
seed: 0

output_dir: outputs
logging_steps: 10
report_to: none
"""


def trl_recipe(recipe: TrainingRecipe, *, batch: str = "") -> str:
    """The same as a script for TRL has it: from the schedule, the rate aside, to the end of `LoraConfig`."""
    return f"""\
    lr_scheduler_type="cosine",
    warmup_steps={recipe.warmup_ratio},  # below 1: a share of all steps
    num_train_epochs={recipe.epochs},
    max_steps=given.max_steps,
    per_device_train_batch_size={recipe.batch_size},{batch}
    gradient_accumulation_steps={recipe.accumulation},
    bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
    report_to="none",
    seed=0,
)
lora = LoraConfig(
    r={recipe.lora_rank},
    lora_alpha={recipe.lora_alpha},
    lora_dropout={recipe.lora_dropout},
    target_modules="all-linear",
    task_type="CAUSAL_LM",
)
"""
