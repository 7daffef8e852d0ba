"""Implementations that are imported when they are asked for: `--help` and the settings need no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Deferred(Generic[_T]):
    """An entry of a table that stands for an implementation.

    Attributes:
        name: what settings call it.
        summary: what it is, in a few words, for `--help`.
        home: module and name of the implementation, ``spice_select.sketch.sparse_jl:SparseJL``.
    """

    name: str
    summary: str
    home: str

    def load(self) -> _T:
        """The implementation."""
        module, _, name = self.home.partition(":")
        found: _T = getattr(import_module(module), name)
        return found


def deferred_names(module: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package that imports a public name from its home when it is first asked for.

    Args:
        module: the package's ``__name__``.
        homes: public name → the module that defines it.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return find
