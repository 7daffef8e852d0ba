"""One declaration for every setting of an evaluation: it feeds `spice_select.evaluate(...)` and `spice evaluate`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from spice_select.data.settings import DataSettings
from spice_select.settings.access import Opening
from spice_select.settings.base import Group, Settings
from spice_select.settings.names import Names
from spice_select.settings.places import Place


class _Base(Group):
    base: Place | None = Field(
        None,
        description="Base model of the adapters: directory, hub id, or `embedded`. Default: the one an adapter names.",
    )


class ModelSettings(Opening, _Base):
    """How the models are opened."""

    allow_network: bool = Field(False, description="May reach the Hugging Face hub for models, data and benchmarks.")
    batch_tokens: int | None = Field(
        None, ge=1, description="Tokens in one batch, padding included. Default: 2048 on a CPU, 16384 on a GPU."
    )


class BenchmarkSettings(Group):
    """Which benchmarks are run, through lm-eval."""

    tasks: Names = Field(
        (),
        description="Benchmarks, by name or `all`: gsm8k, bbh, mmlu, arc_challenge, truthfulqa, ifeval, humaneval, "
        "mbpp; or any task that lm-eval knows. Commas or spaces between them.",
    )
    include_path: Path | None = Field(
        None, description="Folder of lm-eval task files (YAML), e.g. ones that read local data; they come first."
    )
    limit: int | None = Field(
        None, ge=1, description="Only so many documents of each task (of each part of mmlu and bbh): to try things out."
    )
    num_fewshot: int | None = Field(
        None, ge=0, description="Worked examples in the prompt. Default: what is usual for the benchmark."
    )
    apply_chat_template: Literal["auto", "yes", "no"] = Field(
        "auto", description="Prompts through the chat template; `auto`: where the tokenizer has one."
    )
    task_batch_size: int = Field(8, ge=1, description="Requests that lm-eval runs side by side.")
    confirm_run_unsafe_code: bool = Field(
        False,
        description="humaneval and mbpp RUN the code that a model writes, on this machine: allow it.",
    )


class PreferenceSettings(Group):
    """How held-out preference pairs are judged."""

    beta: float = Field(
        0.1, gt=0, description="With held-out pairs: the margin is this times the difference of the log-probabilities."
    )


class EvaluateSettings(Settings):
    """All settings of an evaluation."""

    models: ModelSettings = ModelSettings()
    data: DataSettings = DataSettings()
    benchmarks: BenchmarkSettings = BenchmarkSettings()
    preference: PreferenceSettings = PreferenceSettings()
