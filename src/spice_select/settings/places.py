"""Where files and models lie, among the settings: given as text or as a path, kept as text."""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, Field

from spice_select.errors import InputError

_ROWS = "Give a file, a folder or a hub id; rows in memory are written to a JSON Lines file first."


def place_text(given: object, remedy: str = _ROWS) -> str:
    """A place that a function was given, as text.

    Args:
        given: what was given.
        remedy: what to give instead of what is no place.

    Raises:
        InputError: it is neither text nor a path: rows in memory, say, whose text would be looked for as a name.
    """
    if isinstance(given, str | PathLike):
        return str(given)
    kind = type(given)
    whose = "" if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}."
    raise InputError(f"a value of type {whose}{kind.__qualname__} was given, which is no path. {remedy}")


def _in_text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _listed(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset | Iterator):
        return tuple(place_text(one) for one in value)
    return (place_text(value),)


Place = Annotated[str, Field(min_length=1), BeforeValidator(_in_text)]
"""A path, or a name that is none, such as a hub id. An empty one is a slip, and would count as none given."""

Places = Annotated[tuple[Place, ...], BeforeValidator(_listed)]
"""One or several."""


def place_names(group: type[BaseModel]) -> list[str]:
    """The settings of a group that are one place each."""
    return [name for name, field in group.model_fields.items() if Place in get_args(field.annotation)]
