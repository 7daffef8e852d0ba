"""The settings of a selection run: the groups of its stages under one roof, and the file that replays them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import Field

from spice_select.data.settings import DataSettings
from spice_select.diagnosis.suspects.settings import SuspectSettings
from spice_select.errors import InputError
from spice_select.executors.settings import EngineSettings
from spice_select.features.request import ProxyRequest
from spice_select.features.row_weights import ROW_WEIGHTS
from spice_select.gradients.settings import GradientSettings
from spice_select.methods import METHODS
from spice_select.methods.amount import Amount
from spice_select.methods.spice import Spice, SpiceSettings
from spice_select.models.settings import ProxySettings
from spice_select.settings.base import Group, Settings
from spice_select.settings.places import Places, place_names
from spice_select.settings.table import literal

if TYPE_CHECKING:
    MethodName = str
    RowWeightName = str
else:
    MethodName = literal(METHODS.names)
    RowWeightName = literal(ROW_WEIGHTS.names)


class SelectionSettings(Group):
    """How much is chosen, by which method and on which schedule."""

    method: MethodName = Field("information", description=f"Who chooses. {METHODS.described()}.")
    budget: Amount = Field(
        "10%",
        description="How much to choose: a share (`10%`, `0.1`), rows (`500`), or tokens (`2M-tokens`; "
        "`1M-supervised-tokens` counts those trained on).",
    )
    normalise: Literal["none", "unit"] = Field(
        "unit",
        description="`unit` scales every gradient to length one, so that directions count and short answers gain "
        "nothing by the size of theirs; `none` takes them as they are, as the paper has it.",
    )
    row_weight: RowWeightName = Field(
        "row", description=f"How much a row's direction counts, once it is normalised. {ROW_WEIGHTS.described()}."
    )
    per_source_min: float | None = Field(
        None, ge=0, le=1, description="Least share of the choice that every source gets (by its `source` column)."
    )
    per_source_max: float | None = Field(
        None, gt=0, le=1, description="Most of the choice that any one source may get, as a share."
    )
    max_per_prompt: int | None = Field(
        None, ge=1, description="With preference pairs: most pairs of one prompt. Default: as many as there are."
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


class TargetFiles(Group):
    """Which rows matter."""

    target: Places = Field(
        (),
        description="Files of rows like those the tuned model will be judged on, read as a corpus is; 16 to 64 of each "
        "task are enough. Several files are several tasks, as are the values of a column `task`. Rows of the corpus "
        "that stand there too leave the pool.",
    )


class TargetSettings(TargetFiles):
    """What the choice is for: rows of what matters."""

    hold_out_target: bool = Field(
        False, description="Keep half of the target's rows out of the choice and judge by them alone."
    )

    def clashes(self) -> list[str]:
        """Nothing to hold out without a target."""
        if self.hold_out_target and not self.target:
            return ["--hold-out-target without --target: there is nothing to hold out. Name the target's file."]
        return []


class InterleavedSettings(Group):
    """How the proxy moves while it selects, with `--schedule interleaved`."""

    update_every: int = Field(10, ge=1, description="Pools T between two updates of the proxy.")
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


class SelectSettings(Settings):
    """All settings of a selection run."""

    selection: SelectionSettings = SelectionSettings()
    target: TargetSettings = TargetSettings()
    spice: SpiceSettings = SpiceSettings()
    proxy: ProxySettings = ProxySettings()
    data: DataSettings = DataSettings()
    gradients: GradientSettings = GradientSettings()
    interleaved: InterleavedSettings = InterleavedSettings()
    suspects: SuspectSettings = SuspectSettings()
    engine: EngineSettings = EngineSettings()

    def settled(self, *, pairs: bool = False, marked: bool = False) -> "SelectSettings":
        """With what is left open decided by whether there is a target, and by what the rows are.

        Args:
            pairs: preference pairs.
            marked: answers marked good or bad, whose loss (KTO's) is that of sums.
        """
        settings, method = self, METHODS[self.selection.method]
        if marked:
            settings = settings.model_copy(update={"gradients": self.gradients.model_copy(update={"loss": "sum"})})
        if not issubclass(method, Spice):
            return settings
        spice = method.settled(self.spice, targeted=bool(self.target.target), pairs=pairs or marked)
        return settings.model_copy(update={"spice": spice})

    def opened(self) -> "SelectSettings":
        """With what `settled` finds for these rows' method and target left open, so that others may decide it anew.

        Settled again for the same method, target and rows it is the same. What pairs alone are given stays.
        """
        method = METHODS[self.selection.method]
        if not issubclass(method, Spice):
            return self
        none = {"objective": None, "conflict_weight": None}
        usual = method.settled(self.spice.model_copy(update=none), targeted=bool(self.target.target))
        found = {name: None for name in none if getattr(self.spice, name) == getattr(usual, name)}
        return self.model_copy(update={"spice": self.spice.model_copy(update=found)})

    def numbered(self, found: Mapping[str, float]) -> "SelectSettings":
        """With the numbers, by name, that what was left to the data came to."""
        return self.model_copy(update={"spice": self.spice.model_copy(update=dict(found))})

    def without_idle_revision(self) -> "SelectSettings":
        """Without a revision of a model on this machine, which has none: older runs may have been given one."""
        name = self.proxy.model
        if self.proxy.model_revision is None or (name is not None and not Path(name).expanduser().exists()):
            return self
        return self.model_copy(update={"proxy": self.proxy.model_copy(update={"model_revision": None})})

    @property
    def by_log_det(self) -> bool:
        """Whether the rows are chosen greedily by log det, whose theory holds for no other choice; once `settled`."""
        return self.greedy and self.spice.objective in (None, "log-det")

    @property
    def greedy(self) -> bool:
        """Whether the method picks greedily by an objective, so that the order of its picks has a meaning."""
        return issubclass(METHODS[self.selection.method], Spice)

    @property
    def request(self) -> ProxyRequest:
        """What is asked of the proxy."""
        own = self.gradients.proxy_seed
        seed = self.selection.seed if own is None else own
        return ProxyRequest(access=self.proxy, gradients=self.gradients, seed=seed)


def write_config(path: Path, corpus: str, settings: SelectSettings) -> None:
    """Write the file that `spice select --config FILE` replays.

    Model and adapter stay as they were called, since a run is known by that; where they lay is written beside it.
    """
    named = {given: Path(given).expanduser() for given in _named_by_path(settings).values()}
    places = {given: str(path.resolve()) for given, path in named.items() if not path.is_absolute() and path.exists()}
    content = {"corpus": corpus, **settings.nested(), **({_PLACES: places} if places else {})}
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    path.write_text(f"{_REPLAY}\n{body}", encoding="utf-8")


_REPLAY = "# Replay with: spice select --config THIS_FILE --out ANOTHER_FOLDER"
"""The first line of a config that a run wrote: in it stands what the run came to, not what was asked for."""

_PLACES = "places"
"""Under this name a config file says where relative paths led to when the run was made."""


def _named_by_path(settings: SelectSettings) -> dict[str, str]:
    named = {"model": settings.proxy.model, "adapter": settings.gradients.adapter}
    return {name: given for name, given in named.items() if given is not None}


def _found_from_here(settings: SelectSettings, places: Mapping[str, Any]) -> SelectSettings:
    """The settings with whole paths where, in this folder, a relative one leads elsewhere than when they were made."""
    moved = {
        name: str(places[given])
        for name, given in _named_by_path(settings).items()
        if given in places and Path(given).expanduser().resolve() != Path(str(places[given]))
    }
    moved = {name: place for name, place in moved.items() if Path(place).exists()}
    return SelectSettings.from_flat({**settings.flat(), **moved}) if moved else settings


def _named_places(name: str, group: Any) -> Any:
    """A group as it was written, but that an empty place is none: earlier versions took it so and wrote it down."""
    known = SelectSettings.model_fields.get(name)
    if known is None or not isinstance(group, dict):
        return group
    places = place_names(type(known.default))
    return {name: None if name in places and value == "" else value for name, value in group.items()}


class _EachOnce(yaml.SafeLoader):
    """YAML in which no name stands twice in one mapping: the first would be lost. libyaml's knows no half surrogate."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set[str]()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_asked(path: Path) -> tuple[str | None, SelectSettings]:
    """As `read_config`, for settings that others beside them override: those of a run are `opened`."""
    corpus, settings = read_config(path)
    with path.open(encoding="utf-8") as file:
        return corpus, settings.opened() if file.readline().rstrip() == _REPLAY else settings


def read_config(path: Path) -> tuple[str | None, SelectSettings]:
    """Read a config file: the corpus it names, if any, and the settings.

    Raises:
        InputError: the file is missing, is not YAML, names something twice, or holds unknown names or bad values.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _EachOnce)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the config file cannot be read ({error}). Check the path.") from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError of a date that is none
        raise InputError(f"{path}: not valid YAML: {error}") from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a mapping of settings, found {type(content).__name__}.")
    corpus, places = content.pop("corpus", None), content.pop(_PLACES, None)
    if not isinstance(corpus, str | None):
        raise InputError(
            f"{path}: corpus: {corpus!r} is no path. Name one file, folder or hub id, in quotes if need be."
        )
    groups = [group for group in content.values() if isinstance(group, dict)]
    strange = [name for group in (content, *groups) for name in group if not isinstance(name, str)]
    if strange:
        raise InputError(f"{path}: {strange[0]!r} is no name of a setting or of a group of them. Take it out.")
    try:
        settings = SelectSettings.from_nested({name: _named_places(name, group) for name, group in content.items()})
        return corpus, _found_from_here(settings, places) if isinstance(places, dict) else settings
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
