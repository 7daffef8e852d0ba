"""TRL's `SFTTrainer` on rows that are tokens already: it neither renders nor masks them again."""

import importlib.util
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from spice_select.data.encoding.mask import labels_of
from spice_select.data.records import Example
from spice_select.errors import InputError
from spice_select.training.lora import lora_config, placing_lora
from spice_select.training.settings import TrainSettings
from spice_select.training.steps import warmup_steps

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import TrainingArguments
    from trl import SFTConfig, SFTTrainer


def require(package: str, extra: str) -> None:
    """Raise an InputError that names the extra unless the package is installed."""
    if importlib.util.find_spec(package) is None:
        raise InputError(f"this needs {package}, which is not installed: pip install 'spice-select[{extra}]'.")


def token_dataset(examples: Sequence[Example]) -> "Dataset":
    """The examples as `input_ids` and `labels`, in their order."""
    from datasets import Dataset

    columns = {"input_ids": [e.input_ids for e in examples], "labels": [labels_of(e) for e in examples]}
    return Dataset.from_dict(columns)


def trainer_config(settings: TrainSettings, *, steps: int, folder: Path, dtype: str, device: str) -> "SFTConfig":
    """TRL's configuration on rows that are cut and tokens already."""
    from trl import SFTConfig

    common = common_arguments(settings, steps=steps, folder=folder, dtype=dtype, device=device)
    config = SFTConfig(**common, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})
    keep_to_one_gpu(config)
    return config


def keep_to_one_gpu(config: "TrainingArguments") -> None:
    """Train on the GPU that the model lies on, however many are in sight.

    transformers would spread each batch over all of them (`nn.DataParallel`), which TRL refuses.
    """
    config._n_gpu = min(config.n_gpu, 1)


def common_arguments(settings: TrainSettings, *, steps: int, folder: Path, dtype: str, device: str) -> dict[str, Any]:
    """What any trainer is told: a checkpoint every tenth, every loss logged, no report to anyone, no bar of its own."""
    return {
        "output_dir": str(folder),
        "max_steps": steps,
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": warmup_steps(steps, settings),
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.clip_norm,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "bf16": dtype == "bfloat16",
        "fp16": dtype == "float16",
        "use_cpu": device == "cpu",
        "include_num_input_tokens_seen": "non_padding",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_steps": settings.checkpoint_steps or -(-steps // 10),
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
    }


def make_trainer(
    model: nn.Module, tokenizer: Any, examples: Sequence[Example], settings: TrainSettings, config: "SFTConfig"
) -> "SFTTrainer":
    """The trainer, with the LoRA put in or all weights released.

    Raises:
        InputError: LoRA names that match nothing, or that PEFT will not adapt.
    """
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTTrainer

    if settings.full:
        model.requires_grad_(True)
    lora = None if settings.full else lora_config(model, settings)
    with nullcontext() if lora is None else placing_lora(model, sorted(lora.target_modules or ())):
        trainer = SFTTrainer(
            model=model,
            args=config,
            train_dataset=token_dataset(examples),
            processing_class=tokenizer,
            peft_config=lora,
        )
    trainer.remove_callback(PrinterCallback)
    return trainer
