"""Tables: the one list of a port's implementations, from which choices, help, errors and conformance tests are made."""

from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

from spice_select.errors import InputError, nearest


class Named(Protocol):
    """Whatever a table holds says what it is called and, in one line, what it is."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...


T = TypeVar("T", bound=Named)


class Table(Generic[T]):
    """Entries by name, in the order given.

    Args:
        kind: what the entries are, for messages: "method", "sketch".
        entries: the implementations (classes or objects), no name twice.
    """

    def __init__(self, kind: str, *entries: T) -> None:
        self.kind = kind
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) < len(entries):
            raise ValueError(f"two entries of the table of {kind}s bear one name")

    def __getitem__(self, name: str) -> T:
        """The entry of that name. Raises InputError with the names there are, and the nearest of them."""
        if name not in self._entries:
            raise InputError(
                f"{self.kind} {name!r}: unknown. Known are {', '.join(self._entries)}.{nearest(name, self._entries)}"
            )
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the table."""
        return tuple(self._entries)

    def described(self) -> str:
        """``name: what it is; …`` for `--help`."""
        return "; ".join(f"`{entry.name}`: {entry.summary}" for entry in self)


def literal(names: tuple[str, ...]) -> Any:
    """The names of a table as a type: pydantic refuses any other, and the command line lists them."""
    from typing import Literal

    return Literal[names]
