"""Parts with an address: an object each, whose name says how long it is, which rows it holds and its bytes' hash.

A list of names is thus enough to go on from, however many bytes lie there; they are hashed when they are read. Parts of
one origin share a folder, whichever run computed them. Which of two objects of one part counts, and which turned out to
be damaged, is in a journal beside what the run keeps on its own disk.
"""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spice_select.errors import InputError
from spice_select.store.address import Address
from spice_select.store.block import FeatureBlock
from spice_select.store.journal import add_line, read_lines
from spice_select.store.parts import PartStore, part_bytes
from spice_select.store.tables import read_table

JOURNAL = "objects.jsonl"
_NAME = re.compile(r"part-(\d{5,})\.(\d+)\.([0-9a-f]{16})\.([0-9a-f]{64})\.parquet")
_KEYS = ("row", "tokens", "supervised")
_COUNTING = ("put", "found")
_FRESH = 1.0
"""Seconds for which a list of the store is believed not to have what it has not."""


@dataclass(frozen=True)
class ObjectStore(PartStore):
    """Numbered parts at an address. See `PartStore`; `folder` is the run's own, for what is beside the parts.

    Attributes:
        address: of all parts of all runs; these lie in a folder there, of the feature and the origin.
    """

    address: str = ""
    _seen: dict[int, str] = field(default_factory=dict, repr=False, compare=False)
    _noted: set[str] = field(default_factory=set, repr=False, compare=False)
    _listed: list[float] = field(default_factory=list, repr=False, compare=False)

    @cached_property
    def place(self) -> Address:
        """The folder of these parts."""
        return Address(f"{self.address.rstrip('/')}/{self.folder.name}-{(self.origin or '')[:32]}")

    def name(self, part: int) -> str:
        """The object that counts for a part; "" where there is none."""
        if part not in self._seen and not (self._listed and time.monotonic() - self._listed[-1] < _FRESH):
            self._look()
        return self._seen.get(part, "")

    def label(self, part: int) -> str:
        return f"{self.place}/{self.name(part) or f'part-{part:05d}'}"

    def digest(self, part: int) -> str:
        return self._stated(part)[2]

    def size(self, part: int) -> int:
        return self._stated(part)[0]

    def count(self) -> int:
        """How many parts lie there."""
        self._look()
        return len(self._seen)

    def is_finished(self, part: int, due: Mapping[str, Sequence[int]] | None = None) -> bool:
        """Whether the store lists the part with all its bytes and the rows that are due; see `PartStore.is_finished`.

        An object of other rows, cut by another rule, is written down and does not count from then on.
        """
        name = self.name(part)
        if name and due is not None and self._stated(part)[1] != _rows_digest(due):
            self._note(part, name, "of other rows")
            self._look()
            return self.is_finished(part, due)
        return bool(name)

    def faults(self, parts: int) -> dict[int, str]:
        """Parts that the store does not list. Cost: one list; nothing is read."""
        self._look()
        return {part: "it is missing" for part in range(parts) if part not in self._seen}

    def write(self, part: int, block: FeatureBlock) -> str:
        """Put a part, and return its SHA-256. Raises InputError when the store refuses."""
        return self._put(part, part_bytes(block, self.origin), {"row": block.rows, **block.columns})

    def put(self, part: int, content: bytes) -> str:
        """Put a part that was made elsewhere, as it is, as `write` does."""
        table = read_table(content)
        return self._put(part, content, {name: table[name].to_numpy() for name in _KEYS if name in table.column_names})

    def _put(self, part: int, content: bytes, columns: Mapping[str, Any]) -> str:
        digest = hashlib.sha256(content).hexdigest()
        name = f"part-{part:05d}.{len(content)}.{_rows_digest(columns)}.{digest}.parquet"
        self.place.put(name, content)
        self._note(part, name, "put")
        self._seen[part] = name
        return digest

    def _content(self, part: int) -> bytes | None:
        name = self.name(part)
        content = self.place.read(name) if name else None
        if content is None:
            return None
        size, _, digest = self._stated(part)
        if len(content) != size or hashlib.sha256(content).hexdigest() != digest:
            self._note(part, name, "damaged")
            self._seen.pop(part, None)
            raise InputError(
                f"{self.place}/{name} cannot be used: its bytes do not match the sum in its name. Run the same "
                "`spice select` command again: the part is computed again, and what is sound is kept."
            )
        if name not in self._noted:
            self._note(part, name, "found")
        return content

    def _source(self, part: int) -> Any:
        name = self.name(part)
        if not name:
            raise FileNotFoundError(self.label(part))
        return self.place.open(name)

    def _stated(self, part: int) -> tuple[int, str, str]:
        """Length, digest of its rows and of its bytes, by its name; 0 and "" where there is none."""
        found = _NAME.fullmatch(self.name(part))
        return (int(found[2]), found[3], found[4]) if found else (0, "", "")

    def _look(self) -> None:
        """List the store. Of several objects of a part the one counts that is first in the journal, else by name."""
        there = dict[int, list[str]]()
        for name, size in sorted(self.place.sizes().items()):
            found = _NAME.fullmatch(name)
            if found and int(found[2]) == size:
                there.setdefault(int(found[1]), []).append(name)
        self._noted.clear()
        said = {line["object"]: line for line in read_lines(self.folder / JOURNAL) if line.get("at") == str(self.place)}
        self._noted.update(said)
        out = {name for name, line in said.items() if line.get("state") not in _COUNTING}
        order = {name: place for place, name in enumerate(said)}
        self._seen.clear()
        for part, names in there.items():
            sound = [name for name in names if name not in out]
            if sound:
                self._seen[part] = min(sound, key=lambda name: order.get(name, len(order)))
        self._listed.append(time.monotonic())

    def _note(self, part: int, name: str, state: str) -> None:
        line = {"part": part, "object": name, "at": str(self.place), "state": state}
        add_line(self.folder / JOURNAL, line)
        self._noted.add(name)


def _rows_digest(columns: Mapping[str, Any]) -> str:
    """16 hex digits of the rows that a part holds, and of their lengths."""
    digest = hashlib.sha256()
    for name in _KEYS:
        digest.update(np.asarray(columns.get(name, ()), np.int64).tobytes())
    return digest.hexdigest()[:16]


def parts_at(folder: Path, origin: str | None, address: str | None) -> PartStore:
    """Parts of an origin: in a folder of this machine, or at an address."""
    return PartStore(folder, origin) if address is None else ObjectStore(folder, origin, address=address)
