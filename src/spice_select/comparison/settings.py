"""Every setting of a comparison, declared once: for `spice_select.compare(...)` and for `spice compare`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from spice_select.data.settings import DataSettings
from spice_select.errors import InputError
from spice_select.evaluation.settings import BenchmarkSettings
from spice_select.executors.settings import EngineSettings
from spice_select.gradients.settings import GradientSettings
from spice_select.methods.amount import Amount
from spice_select.models.settings import ProxySettings
from spice_select.run.settings import TargetSettings
from spice_select.settings.base import Group, Settings
from spice_select.settings.names import Names
from spice_select.settings.places import Place, Places
from spice_select.settings.whole_number import whole_number
from spice_select.training.settings import TrainSettings

LEAST_SEEDS_TO_TRAIN = 2
"""Of one tuning nothing can be said: its difference to another may be the order of the rows."""


def _joined(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _distinct(text: str) -> str:
    seeds_of(text)
    return text


def seeds_of(text: str) -> tuple[int, ...]:
    """The seeds that ``0,1,2`` names, in this order. Raises InputError: they are no seeds, or one is there twice."""
    found = [whole_number(word.strip()) for word in text.split(",") if word.strip()]
    seeds = tuple(seed for seed in found if seed is not None)
    if not seeds or len(seeds) < len(found):
        raise InputError(f"seeds {text[:80]!r}: not whole numbers from 0 with commas between them. Give 0,1,2.")
    if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        raise InputError(f"seeds {text!r}: {twice[0]} is there twice, and would count twice. Name each seed once.")
    return seeds


Seeds = Annotated[str, BeforeValidator(_joined), AfterValidator(_distinct)]
"""Given as text or as numbers, kept as text."""


class MethodsSettings(Group):
    """Who chooses, how much, and how often."""

    methods: Names = Field(
        ("random", "information", "spice"),
        description="Methods to compare, commas between them; one may have settings of its own (`spice:alpha=2`), "
        "and with these a name (`twice=spice:alpha=2`). "
        "`random`, the control, is always among them.",
    )
    budget: Amount = Field(
        "10%",
        description="How much each chooses: a share (`10%`, `0.1`), rows (`500`), or tokens (`2M-tokens`; "
        "`1M-supervised-tokens` counts those trained on).",
    )
    equal: Literal["tokens", "rows"] = Field(
        "tokens",
        description="What is the same for all: `tokens` cuts each order of picks where it holds the budget's "
        "supervised tokens; `rows` compares as many rows, whose tokens may differ.",
    )
    seeds: Seeds = Field(
        "0,1,2,3,4",
        description="Seeds, commas between them. A method that draws chooses anew with each; any other chooses once, "
        "with the first. With --train, all are tuned with each.",
    )
    control_seeds: int | None = Field(
        None,
        ge=1,
        description="With --train: how many draws of `random` are tuned. Default: seeds · √methods, since "
        "all are compared with it.",
    )

    def clashes(self) -> list[str]:
        """Fewer draws of the control than seeds that others are paired with it by."""
        asked = len(seeds_of(self.seeds))
        if self.control_seeds is None or self.control_seeds >= asked:
            return []
        return [
            f"--control-seeds {self.control_seeds} with {asked} --seeds: random is tuned with each of them. Give "
            f"{asked} or more, or leave it out."
        ]


class _Judges(Group):
    held_out: Place | None = Field(
        None,
        description="Rows like the pool's that judge, in any format that `spice select` reads; those that stand in the "
        "pool leave it. Default with --train: some of the pool, by source and length, which leave it for all.",
    )
    held_out_rows: int | None = Field(
        None, ge=2, description="Without --held-out: how many rows of the pool. Default: a tenth, 500 at most."
    )
    outside: Places = Field((), description="Files of rows unlike the pool's, to judge on beside the others.")
    gold: Places = Field(
        (), description="Files of a benchmark's items with their gold answers: how likely these are stands for a score."
    )
    primary: str | None = Field(
        None,
        description="Set of rows that the verdict is by: `target`, `outside`, `pool`, or a file's name. Default: the "
        "first of these three that there is; the others are shown beside it.",
    )


class SetsSettings(_Judges, TargetSettings):
    """What is chosen for, and what judges."""

    def clashes(self) -> list[str]:
        faults = super().clashes()
        if self.held_out and self.held_out_rows:
            faults.append("--held-out-rows with --held-out: the file's rows judge. Leave one of the two out.")
        return faults


class TuningSettings(Group):
    """Whether models are tuned on what was chosen, and how: alike for all."""

    train: bool = Field(
        False, description="Tune a model on every choice with every seed, and judge it by held-out rows (extra train)."
    )
    train_model: Place | None = Field(
        None, description="The model to tune: a hub id or a local directory. Default: the proxy."
    )
    train_epochs: int = Field(3, ge=1, description="Passes over the budget's rows, were they of mean length.")
    train_steps: int | None = Field(None, ge=1, description="Optimiser steps of every tuning, instead of epochs.")
    train_rate: float | None = Field(
        None,
        gt=0,
        description="Peak of the learning rate; it falls as a cosine to 0. Default: 5e-5, with preference pairs 5e-6.",
    )
    train_batch_size: int = Field(4, ge=1, description="Rows in a micro-batch of a tuning.")
    train_accumulation: int = Field(4, ge=1, description="Micro-batches in an optimiser step of a tuning.")
    train_rank: int = Field(16, ge=1, description="Rank of the LoRA that is tuned.")
    train_full: bool = Field(False, description="Tune all weights instead of a LoRA.")
    keep_models: bool = Field(False, description="Keep the tuned models once they are judged.")

    def of_training(self, access: ProxySettings, *, seed: int, steps: int, max_length: int) -> TrainSettings:
        """As a training has them."""
        opening = access.alone() if self.train_model is None else {**access.alone(), "model_revision": None}
        device = {"device": "auto" if access.device == "auto" else access.device.split(":")[0]}
        return TrainSettings(
            **{**opening, **device},
            model=self.train_model,
            max_steps=steps,
            learning_rate=self.train_rate,
            batch_size=self.train_batch_size,
            accumulation=self.train_accumulation,
            max_length=max_length,
            seed=seed,
            full=self.train_full,
            **({} if self.train_full else {"lora_rank": self.train_rank}),
        )

    def steps(self, rows: int) -> int:
        """Optimiser steps of every tuning, for a budget of so many rows of mean length."""
        if self.train_steps is not None:
            return self.train_steps
        return self.train_epochs * -(-rows // (self.train_batch_size * self.train_accumulation))

    def clashes(self) -> list[str]:
        """Settings of a tuning where none is asked for."""
        changed = [name for name in self.changed() if name != "train"]
        if self.train or not changed:
            return []
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        return [f"{flags} without --train: nothing is tuned. Give --train, or leave it out."]


class CompareSettings(Settings):
    """All settings of a comparison."""

    arms: MethodsSettings = MethodsSettings()
    sets: SetsSettings = SetsSettings()
    tuning: TuningSettings = TuningSettings()
    proxy: ProxySettings = ProxySettings()
    data: DataSettings = DataSettings()
    gradients: GradientSettings = GradientSettings()
    benchmarks: BenchmarkSettings = BenchmarkSettings()
    engine: EngineSettings = EngineSettings()
