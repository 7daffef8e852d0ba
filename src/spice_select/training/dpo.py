"""TRL's `DPOTrainer` on pairs that are tokens already: it neither renders, cuts nor masks them again.

The reference is the target with its LoRA turned off, which is what pairs were chosen at where the target is the proxy.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from spice_select.data.records import Example, PairExample
from spice_select.errors import InputError
from spice_select.export.preference.losses import PairLoss
from spice_select.run.finished import Run
from spice_select.run.pairs import is_of_pairs
from spice_select.training.lora import lora_config, placing_lora
from spice_select.training.settings import TrainSettings
from spice_select.training.trainer import common_arguments, keep_to_one_gpu

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer


BETA = 0.1
"""How dear it is to leave the reference, unless another is asked for."""


@dataclass(frozen=True, kw_only=True)
class DpoLoss:
    """The loss of a training on pairs.

    Attributes:
        loss_type: as TRL calls it.
        beta: how dear it is to leave the reference.
        ld_alpha: what tokens beyond the shorter answer count; None: as all others.
    """

    loss_type: str
    beta: float = BETA
    ld_alpha: float | None = None

    @classmethod
    def of(cls, run: Run, settings: TrainSettings) -> Self:
        """As asked, or the one whose gradient the pairs were chosen by."""
        own = PairLoss.of(run.manifest["identity"])
        beta = BETA if settings.beta is None else settings.beta
        if settings.loss_type is not None:
            return cls(loss_type=settings.loss_type, beta=beta)
        return cls(loss_type=own.trl, beta=beta, ld_alpha=own.tail)

    @property
    def facts(self) -> dict[str, Any]:
        """For the identity of a training."""
        return {"loss": "dpo", **asdict(self)}

    @property
    def sentence(self) -> str:
        """What is minimised, for a person."""
        tail = "" if self.ld_alpha is None else f", tokens beyond the shorter answer count {self.ld_alpha:g}"
        return f"DPO ({self.loss_type}, beta {self.beta:g}{tail}); the reference is the target without its LoRA."


def refuse_other_loss(run: Run, settings: TrainSettings) -> None:
    """Raise InputError where a setting does not fit the rows of a run: pairs are tuned by DPO, answers are not."""
    if is_of_pairs(run):
        if settings.loss == "sft":
            raise InputError(
                "--loss sft on preference pairs: it would learn neither answer's rank. Leave it out, or select among "
                "the chosen answers alone with `spice select --format chosen`."
            )
        if settings.full:
            raise InputError(
                "--full on preference pairs: the reference is the target with its LoRA turned off, and without one a "
                "second copy would be needed. Leave it out, or export the pairs and train elsewhere: spice export."
            )
        if settings.lora_dropout:
            raise InputError(
                f"--lora-dropout {settings.lora_dropout:g} on preference pairs: DPO compares with the reference, and "
                "TRL turns dropout off. Leave it out."
            )
        return
    asked = {"loss": "dpo" if settings.loss == "dpo" else None, "beta": settings.beta, "loss_type": settings.loss_type}
    for name, value in asked.items():
        if value is not None:
            raise InputError(
                f"--{name.replace('_', '-')} {value}: only preference pairs are tuned by DPO, and {run.path} chose "
                f"among {run.manifest['identity']['format']} rows. Leave it out."
            )


def pair_dataset(examples: Sequence[PairExample]) -> "Dataset":
    """The pairs as token ids and masks of both sides, in their order."""
    from datasets import Dataset

    sides = [("chosen", [one.chosen for one in examples]), ("rejected", [one.rejected for one in examples])]
    columns: dict[str, Any] = {}
    for name, side in sides:
        columns |= {f"{name}_ids": [e.input_ids for e in side], f"{name}_mask": [_mask(e) for e in side]}
    return Dataset.from_dict(columns)


def _mask(example: Example) -> list[int]:
    return example.supervised.astype(int).tolist()


def pad_pairs(pad: int, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch as `DPOTrainer` takes it: int64 ``[2b, tokens]``, all chosen answers, then all rejected ones."""
    sides = [(row[f"{name}_ids"], row[f"{name}_mask"]) for name in ("chosen", "rejected") for row in rows]
    ids, masks = [torch.tensor(ids) for ids, _ in sides], [torch.tensor(mask) for _, mask in sides]
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad),
        "attention_mask": pad_sequence([torch.ones_like(one) for one in ids], batch_first=True),
        "completion_mask": pad_sequence(masks, batch_first=True),
    }


def dpo_config(
    settings: TrainSettings, loss: DpoLoss, *, steps: int, folder: Path, dtype: str, device: str
) -> "DPOConfig":
    """TRL's configuration on pairs that are cut and tokens already."""
    from trl import DPOConfig

    config = DPOConfig(
        **common_arguments(settings, steps=steps, folder=folder, dtype=dtype, device=device),
        **asdict(loss) | {"loss_type": [loss.loss_type]},
        max_length=None,
        remove_unused_columns=False,
    )
    keep_to_one_gpu(config)
    return config


def make_dpo_trainer(
    model: nn.Module, tokenizer: Any, examples: Sequence[PairExample], settings: TrainSettings, config: "DPOConfig"
) -> "DPOTrainer":
    """The trainer, with the LoRA put in.

    Raises:
        InputError: LoRA names that match nothing, or that PEFT will not adapt.
    """
    from functools import partial

    from transformers.trainer_callback import PrinterCallback
    from trl import DPOTrainer

    class Prepared(DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *rest: Any, **named: Any) -> Any:
            """The rows as they are: TRL has no setting that says so of pairs."""
            return dataset

    lora = lora_config(model, settings)
    with placing_lora(model, sorted(lora.target_modules or ())):
        trainer = Prepared(
            model=model,
            args=config,
            data_collator=partial(pad_pairs, tokenizer.pad_token_id or 0),
            train_dataset=pair_dataset(examples),
            processing_class=tokenizer,
            peft_config=lora,
        )
    trainer.remove_callback(PrinterCallback)
    return trainer
