"""One declaration for every setting of an evaluation: it feeds `spice_select.evaluate(...)` and `spice evaluate`."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from spice_select.data.settings import DataSettings
from spice_select.errors import InputError, nearest


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class ModelSettings(_Group):
    """How the models are opened."""

    base: str | None = Field(
        None,
        description="Base model of the adapters: directory, hub id, or `embedded`. Default: the one an adapter names.",
    )
    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`, `mps`.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Precision; `auto` is bfloat16 on a GPU that multiplies it, else float32."
    )
    batch_tokens: int | None = Field(
        None, ge=1, description="Tokens in one batch, padding included. Default: 2048 on a CPU, 16384 on a GPU."
    )
    allow_network: bool = Field(False, description="May reach the Hugging Face hub for models, data and benchmarks.")
    allow_pickle: bool = Field(False, description="May load pickled weights (they can run code when loaded).")
    trust_remote_code: bool = Field(False, description="May run Python code that comes with a model.")


class BenchmarkSettings(_Group):
    """Which benchmarks are run, through lm-eval."""

    tasks: tuple[str, ...] = Field(
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

    @field_validator("tasks", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        given = (value,) if isinstance(value, str) else value
        return tuple(name.strip() for text in given for name in str(text).split(",") if name.strip())


class EvaluateSettings(BaseModel):
    """All settings of an evaluation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: ModelSettings = ModelSettings()
    data: DataSettings = DataSettings()
    benchmarks: BenchmarkSettings = BenchmarkSettings()

    @classmethod
    def from_flat(cls, settings: dict[str, Any]) -> Self:
        """Settings from flat names, e.g. ``{"tasks": "gsm8k", "limit": 20}``.

        Raises:
            InputError: unknown names (with the nearest known one) and bad values, all at once.
        """
        homes = {name: group for group, field in cls.model_fields.items() for name in type(field.default).model_fields}
        faults = [f"unknown setting {name!r}.{nearest(name, homes)}" for name in settings if name not in homes]
        nested: dict[str, dict[str, Any]] = {}
        for name in settings.keys() & homes.keys():
            nested.setdefault(homes[name], {})[name] = settings[name]
        try:
            made = cls(**nested)
        except ValidationError as error:
            faults += [f"{fault['loc'][-1]} = {fault['input']!r}: {fault['msg']}" for fault in error.errors()]
        if faults:
            raise InputError("settings cannot be used:\n" + "\n".join(f"  - {fault}" for fault in faults))
        return made
