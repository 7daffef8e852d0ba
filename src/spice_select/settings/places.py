"""Where files and models lie, among the settings: given as text or as a path, kept as text."""

from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, Field


def _in_text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _listed(value: Any) -> Any:
    if isinstance(value, str | Path):
        return (value,)
    return value


Place = Annotated[str, Field(min_length=1), BeforeValidator(_in_text)]
"""A path, or a name that is none, such as a hub id. An empty one is a slip, and would count as none given."""

Places = Annotated[tuple[Place, ...], BeforeValidator(_listed)]
"""One or several."""


def place_names(group: type[BaseModel]) -> list[str]:
    """The settings of a group that are one place each."""
    return [name for name, field in group.model_fields.items() if Place in get_args(field.annotation)]
