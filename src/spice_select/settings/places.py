"""Where files and models lie, among the settings: given as text or as a path, kept as text."""

import os
from collections.abc import Iterable, Mapping
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
    place = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if isinstance(place, str):
        return place
    if given is None or isinstance(given, bytes | int | float):
        raise InputError(f"{given!r} was given, which is no path. {remedy}")
    kind = type(given)
    whose = "" if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}."
    raise InputError(f"a value of type {whose}{kind.__qualname__} was given, which is no path. {remedy}")


def _in_text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _listed(value: Any) -> Any:
    alone = isinstance(value, str | bytes | os.PathLike | Mapping) or hasattr(value, "columns")  # a table: its names
    return tuple(map(place_text, value)) if isinstance(value, Iterable) and not alone else (place_text(value),)


Place = Annotated[str, Field(min_length=1), BeforeValidator(_in_text)]
"""A path, or a name that is none, such as a hub id. An empty one is a slip, and would count as none given."""

Places = Annotated[tuple[Place, ...], BeforeValidator(_listed)]
"""One or several."""


def place_names(group: type[BaseModel]) -> list[str]:
    """The settings of a group that are one place each."""
    return [name for name, field in group.model_fields.items() if Place in get_args(field.annotation)]
