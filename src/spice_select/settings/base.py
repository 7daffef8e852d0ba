"""One declaration for every setting: it feeds Python, the command line and YAML.

A group of settings stands beside the code that reads it; `Settings` puts groups together. In Python and on the command
line every setting is called by its own name alone, which is unique across the groups of one `Settings`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from spice_select.errors import InputError, nearest


class _Declared(BaseModel):
    """What a group and a roof of groups have in common. What cannot be used is an `InputError`, all faults at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            faults = [said for fault in _by_value(error.errors()) for said in self._sentences(fault)]
            raise _unusable(faults) from error

    @classmethod
    def _sentences(cls, fault: Any) -> list[str]:
        """What pydantic refused, in a sentence; what a group in it refused, in the group's own."""
        name = str(fault["loc"][0]) if fault["loc"] else "settings"
        if fault["type"] == "extra_forbidden":
            return [cls._unknown(name)]
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, InputError):
            return _faults_of(cause) or [f"{name}: {cause}"]
        return [f"{name} = {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"]

    @classmethod
    def _unknown(cls, name: str) -> str:
        return f"unknown setting {name!r}.{nearest(name, cls.model_fields)}"


class Group(_Declared):
    """Settings of one stage. Values that cannot be used are an `InputError`, from Python, YAML and the command line.

    A group may have groups as bases: in `--help`, the settings of the base named last come first.
    """

    def __init__(self, /, **values: Any) -> None:
        super().__init__(**values)
        faults = self.clashes()
        if faults:
            raise _unusable(faults)

    @classmethod
    def from_flat(cls, settings: Mapping[str, Any]) -> Self:
        """The settings by name; here as in `Settings`, so that a verb with one group is asked like the others.

        Raises:
            InputError: unknown names (with the nearest known one) and bad values, all at once.
        """
        return cls(**settings)

    def flat(self) -> dict[str, Any]:
        """Every setting by its name, JSON-ready."""
        return self.model_dump(mode="json")

    def clashes(self) -> list[str]:
        """Settings of this group that do not go together, a sentence each with its remedy; none by default."""
        return []

    def changed(self) -> dict[str, Any]:
        """The settings that differ from their defaults."""
        fields = type(self).model_fields
        return {name: value for name in fields if (value := getattr(self, name)) != fields[name].default}


class Settings(_Declared):
    """Groups of settings under one roof; every field of a subclass is a `Group` with a default."""

    @classmethod
    def from_flat(cls, settings: Mapping[str, Any]) -> Self:
        """Settings from flat names, e.g. ``{"budget": 0.1, "sketch_dim": 512}``.

        Raises:
            InputError: unknown names (with the nearest known one) and bad values, all at once.
        """
        homes = cls.homes()
        unknown = [f"unknown setting {name!r}.{nearest(name, homes)}" for name in settings if name not in homes]
        nested: dict[str, dict[str, Any]] = {}
        for name in settings.keys() & homes.keys():
            nested.setdefault(homes[name], {})[name] = settings[name]
        return cls._validated(nested, unknown)

    @classmethod
    def from_nested(cls, groups: dict[str, Any]) -> Self:
        """Settings from the grouped form that `config.yaml` holds. Raises InputError as `from_flat` does."""
        faults, homes = [], cls.homes()
        clean: dict[str, dict[str, Any]] = {}
        for group, values in groups.items():
            if group not in cls.model_fields:
                faults.append(cls._unknown(group))
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
                faults += _faults_of(error)
        if faults:
            raise _unusable(faults)
        return cls(**groups)

    @classmethod
    def _unknown(cls, name: str) -> str:
        home = cls.homes().get(name)
        hint = f" It is a setting of the group {home!r}." if home else nearest(name, cls.model_fields)
        return f"unknown group {name!r}.{hint}"

    @classmethod
    def homes(cls) -> dict[str, str]:
        """Setting name → the group it lives in."""
        groups = cls.model_fields.items()
        return {name: group for group, field in groups for name in field.default.__class__.model_fields}

    def flat(self) -> dict[str, Any]:
        """Every setting by its own name, JSON-ready."""
        return {name: value for group in self.nested().values() for name, value in group.items()}

    def nested(self) -> dict[str, dict[str, Any]]:
        """The settings by group, JSON-ready."""
        return self.model_dump(mode="json")

    def changed(self) -> dict[str, Any]:
        """The settings of all groups that differ from their defaults."""
        return {n: v for group in type(self).model_fields for n, v in getattr(self, group).changed().items()}


def _by_value(faults: Sequence[Any]) -> list[Any]:
    """What pydantic refused, once a value: of one that may be several things, it says of each why it is not that."""
    told = list[Any]()
    for fault in faults:
        if told and fault["loc"][:1] == told[-1]["loc"][:1] and fault["input"] is told[-1]["input"]:
            told[-1] = {**told[-1], "msg": f"{told[-1]['msg']}, or {fault['msg'][0].lower()}{fault['msg'][1:]}"}
        else:
            told.append(fault)
    return told


_FAULT = "\n  - "


def _unusable(faults: list[str]) -> InputError:
    return InputError("settings cannot be used:" + "".join(_FAULT + fault for fault in faults))


def _faults_of(error: InputError) -> list[str]:
    return str(error).split(_FAULT)[1:]
