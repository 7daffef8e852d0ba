"""One declaration for every setting: it feeds `spice_select.select(...)`, the command line, and `config.yaml`.

Settings are grouped by the stage that reads them. The groups show in `spice select --help` and in the YAML file; in
Python and on the command line every setting is called by its own name alone, which is unique across the groups.
"""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from spice_select.errors import InputError, nearest


class _Group(BaseModel):
    """Settings of one stage. Values that cannot be used are an `InputError`, from Python, YAML and the command line."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise refusal(error) from error


class DataSettings(_Group):
    """How rows are read and shown to the model."""

    format: str | None = Field(
        None,
        description="Row format (e.g. `messages`, `sharegpt`, `alpaca`); detected and shown if not given.",
    )
    max_length: int = Field(
        1024, ge=2, description="Longest example in tokens; what goes beyond is cut off and counted."
    )
    split: str | None = Field(
        None,
        description="Which split to read, `all` for every one; of a folder of files by the names of files and folders "
        "(`train-00000-of-00002.parquet`, `train/`). Default: `train` where splits are named.",
    )
    subset: str | None = Field(
        None, description="Configuration of a hub data set; in a folder of files, the folder that holds it."
    )
    revision: str | None = Field(None, description="Revision of a hub data set; in the hub's cache, the snapshot.")


class ProxySettings(_Group):
    """The small model whose gradients are compared."""

    model: str | None = Field(
        None,
        description="Hugging Face causal LM, a hub id or a local directory, best of the target's own family. "
        "Default: the embedded SmolLM2-135M-Instruct.",
    )
    model_revision: str | None = Field(None, description="Revision of a hub model.")
    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`, `mps`.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Precision of the model; `auto` is bfloat16 on a GPU that multiplies it, else float32.",
    )
    allow_network: bool = Field(False, description="May reach the Hugging Face hub for the model or the data.")
    allow_pickle: bool = Field(False, description="May load pickled weights (they can run code when loaded).")
    trust_remote_code: bool = Field(False, description="May run Python code that comes with the model.")


class GradientSettings(_Group):
    """Which gradients are taken, and how they are compressed."""

    parameters: Literal["lora", "last-layer", "full"] = Field(
        "lora",
        description="Whose gradients: a LoRA on every linear layer, the output head alone (forward pass only), or the "
        "weights of all linear layers (give `--sketch kronecker` with it).",
    )
    last_blocks: int | None = Field(
        None,
        ge=1,
        description="Only the layers in the last so many transformer blocks, with `lora` or `full`: the backward pass "
        "stops below them. Default: all blocks.",
    )
    loss: Literal["mean", "sum"] = Field(
        "mean", description="Response loss of a sample: `mean` or `sum` over its supervised tokens."
    )
    lora_rank: int = Field(16, ge=1, description="Rank of the LoRA whose gradients are taken.")
    lora_alpha: float = Field(32.0, gt=0, description="LoRA's alpha; the update is scaled by alpha / rank.")
    lora_targets: tuple[str, ...] = Field(
        (),
        description="Names of the linear layers LoRA adapts (e.g. `q_proj v_proj`); all but the output head if empty.",
    )
    precondition: Literal["none", "adam", "diagonal"] = Field(
        "none",
        description="`adam`: the update Adam would make from this sample alone, as LESS has it; `diagonal`: gradients "
        "over the root of Adam's second moments. Both need `--warmup-rows` or `--adapter`, and `--normalise unit`.",
    )
    warmup_rows: int | None = Field(
        None, ge=1, description="Rows on which the LoRA is trained (AdamW, 8 a step) before its gradients are taken."
    )
    adapter: str | None = Field(
        None,
        description="A trained LoRA of the proxy to take the gradients of: a PEFT folder (a Trainer's checkpoint), or "
        "`gradients/warm.safetensors` of a run.",
    )
    sketch: Literal["sparse-jl", "rademacher", "kronecker", "identity"] = Field(
        "sparse-jl",
        description="Random linear compression of the gradients: `sparse-jl` reads each number once, `rademacher` "
        "is the plain dense one (slow), `kronecker` never forms a layer's gradient (for `--parameters full`; noisier), "
        "`identity` keeps gradients whole (tiny models).",
    )
    sketch_dim: int = Field(
        4096, ge=1, description="Numbers kept of each gradient; cosines are off by about 1/√ of it."
    )
    sketch_side: int = Field(
        32, ge=1, description="With `--sketch kronecker`: numbers kept of each side of a layer's gradient."
    )
    batch_tokens: int | None = Field(
        None, ge=1, description="Tokens in one batch, padding included. Default: 2048 on a CPU, 16384 on a GPU."
    )


class SelectionSettings(_Group):
    """What is chosen, and by which rule."""

    budget: str = Field(
        "10%", description="How much to choose: a share (`10%`, `0.1`), rows (`500`), or tokens (`2M-tokens`)."
    )
    objective: Literal["log-det", "target-variance"] = Field(
        "log-det",
        description="What a choice is worth: `log-det`, the paper's, in which every direction counts alike; "
        "`target-variance`, what it takes from the uncertainty about all rows, in which common directions count more.",
    )
    alpha: float = Field(1.0, gt=0, description="Scale α of the Fisher term in log det(I + αΣ g gᵀ).")
    conflict_weight: float = Field(
        0.1, ge=0, description="Weight λ of the penalty on gradient conflict; 0 turns it off."
    )
    normalise: Literal["none", "unit"] = Field(
        "unit",
        description="`unit` scales every gradient to length one, so that directions count and short answers gain "
        "nothing by the size of theirs; `none` takes them as they are, as the paper has it.",
    )
    stop_ratio: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Early stop ω: end when the gain falls to this share of the first (SPICE+; paper: 0.5).",
    )
    per_source_min: float | None = Field(
        None, ge=0, le=1, description="Least share of the choice that every source gets (by its `source` column)."
    )
    per_source_max: float | None = Field(
        None, gt=0, le=1, description="Most of the choice that any one source may get, as a share."
    )
    schedule: Literal["global", "pools", "interleaved"] = Field(
        "global",
        description="`global`: one greedy over everything; `pools`: one in each pool of a seeded permutation; "
        "`interleaved`: pools, and the proxy trains on what was picked as it goes (the paper's way).",
    )
    pool_size: int = Field(120, ge=1, description="Rows m in a pool, with `--schedule pools` and `interleaved`.")
    seed: int = Field(
        0, ge=0, description="Seed of the LoRA, the sketch, the pools and the random picks compared with."
    )

    @field_validator("budget", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class InterleavedSettings(_Group):
    """How the proxy moves while it selects, with `--schedule interleaved`."""

    update_every: int = Field(10, ge=1, description="Pools T between two updates of the proxy.")
    picker: Literal["spice", "random", "top-norm"] = Field(
        "spice",
        description="Who picks inside a pool: the criterion, or a control on the same schedule "
        "(`--conflict-weight 0` is the third).",
    )
    carry_state: bool = Field(
        False, description="Carry Fisher information and mean gradient from pool to pool instead of starting empty."
    )
    epochs: int = Field(
        1, ge=1, description="Passes over the corpus; the choice is that of the last, the others only move the proxy."
    )
    step_rows: int | None = Field(
        None, ge=1, description="Rows in one optimiser step. Default: all that was picked since the last update."
    )
    learning_rate: float = Field(2e-4, gt=0, description="Peak learning rate of AdamW on the proxy's LoRA.")
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps over which the rate rises.")
    decay: Literal["linear", "cosine", "none"] = Field("linear", description="How the rate falls afterwards.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    clip_norm: float = Field(1.0, gt=0, description="Longest gradient of a step; a longer one is scaled down.")
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of the LoRA in the proxy's training steps.")


class SelectSettings(BaseModel):
    """All settings of a selection run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    selection: SelectionSettings = SelectionSettings()
    proxy: ProxySettings = ProxySettings()
    data: DataSettings = DataSettings()
    gradients: GradientSettings = GradientSettings()
    interleaved: InterleavedSettings = InterleavedSettings()

    @classmethod
    def from_flat(cls, settings: dict[str, Any]) -> Self:
        """Settings from flat names, e.g. ``{"budget": 0.1, "sketch_dim": 512}``.

        Raises:
            InputError: unknown names (with the nearest known one) and bad values, all at once.
        """
        homes = _homes()
        unknown = [f"unknown setting {name!r}.{nearest(name, homes)}" for name in settings if name not in homes]
        nested: dict[str, dict[str, Any]] = {}
        for name in settings.keys() & homes.keys():
            nested.setdefault(homes[name], {})[name] = settings[name]
        return cls._validated(nested, unknown)

    @classmethod
    def from_nested(cls, groups: dict[str, Any]) -> Self:
        """Settings from the grouped form that `config.yaml` holds. Raises InputError as `from_flat` does."""
        faults, homes = [], _homes()
        clean: dict[str, dict[str, Any]] = {}
        for group, values in groups.items():
            if group not in cls.model_fields:
                faults.append(f"unknown group {group!r}.{nearest(group, cls.model_fields)}")
            elif not isinstance(values, dict):
                faults.append(f"{group}: expected settings, found {values!r}")
            else:
                known = cls.model_fields[group].default.__class__.model_fields
                faults += [f"{group}: unknown setting {n!r}.{nearest(n, homes)}" for n in values if n not in known]
                clean[group] = {n: v for n, v in values.items() if n in known}
        return cls._validated(clean, faults)

    @classmethod
    def _validated(cls, nested: dict[str, dict[str, Any]], faults: list[str]) -> Self:
        groups = {}
        for name in (name for name in cls.model_fields if name in nested):
            try:
                groups[name] = cls.model_fields[name].default.__class__(**nested[name])
            except InputError as error:
                faults += str(error).split(_FAULT)[1:]
        if faults:
            raise _unusable(faults)
        return cls(**groups)

    def flat(self) -> dict[str, Any]:
        """Every setting by its own name, JSON-ready."""
        return {name: value for group in self.nested().values() for name, value in group.items()}

    def nested(self) -> dict[str, dict[str, Any]]:
        """The settings by group, JSON-ready."""
        return self.model_dump(mode="json")


def _homes() -> dict[str, str]:
    """Setting name → the group it lives in."""
    groups = SelectSettings.model_fields.items()
    return {name: group for group, field in groups for name in field.default.__class__.model_fields}


_FAULT = "\n  - "


def refusal(error: ValidationError) -> InputError:
    """What pydantic refused, as the error that the caller sees."""
    return _unusable([_sentence(fault) for fault in error.errors()])


def _unusable(faults: list[str]) -> InputError:
    return InputError("settings cannot be used:" + "".join(_FAULT + fault for fault in faults))


def _sentence(fault: Any) -> str:
    name = str(fault["loc"][0]) if fault["loc"] else "settings"
    return f"{name} = {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def write_config(path: Path, corpus: str, settings: SelectSettings) -> None:
    """Write the file that `spice select --config FILE` replays."""
    body = yaml.safe_dump({"corpus": corpus, **settings.nested()}, sort_keys=False, allow_unicode=True)
    path.write_text("# Replay with: spice select --config THIS_FILE --out ANOTHER_FOLDER\n" + body, encoding="utf-8")


def read_config(path: Path) -> tuple[str | None, SelectSettings]:
    """Read a config file: the corpus it names, if any, and the settings.

    Raises:
        InputError: the file is missing, is not YAML, or holds unknown names or bad values.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the config file cannot be read ({error}). Check the path.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {error}") from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a mapping of settings, found {type(content).__name__}.")
    corpus = content.pop("corpus", None)
    try:
        return corpus, SelectSettings.from_nested(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
