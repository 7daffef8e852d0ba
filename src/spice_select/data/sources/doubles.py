"""Rows that stand in a folder twice: a file beside its packed copy, a table beside the lines it was made from."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

import numpy as np

from spice_select.data.plain import json_text
from spice_select.data.sources.bytes import CODECS
from spice_select.settings.counted import counted


def unpacked_name(file: PurePath) -> PurePath:
    """The file's name without the extension of a codec: equal for a file and its packed copy."""
    return file.with_suffix("") if file.suffix.lower() in CODECS else file


class Doubles:
    """Counts rows of one file that are in another too. Costs a canonical JSON and a short hash a row, 12 bytes each.

    Nulls count as absent, for tables fill up with them: rows in JSON lines equal the same rows in Parquet.
    """

    def __init__(self) -> None:
        self._names: dict[PurePath, int] = {}
        self._hashes, self._files = array("Q"), array("i")

    def add(self, file: PurePath, raw: dict[str, Any]) -> None:
        text = json_text(_bare(raw), ascii_only=True, sort_keys=True)
        self._hashes.append(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()))
        self._files.append(self._names.setdefault(file, len(self._names)))

    @property
    def _found(self) -> Counter[tuple[PurePath, PurePath]]:
        """Rows by the first file that has them and the other that they were read from."""
        if not self._hashes:
            return Counter()
        hashes, files = np.frombuffer(self._hashes, np.uint64), np.frombuffer(self._files, np.int32)
        _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
        pairs = np.stack([files[first][group], files], axis=1)
        kinds, counts = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0, return_counts=True)
        names = list(self._names)
        return Counter({(names[one], names[other]): int(c) for (one, other), c in zip(kinds, counts, strict=True)})

    def told(self) -> Iterable[str]:
        """A sentence on the rows that are there twice; none where there are none."""
        found = self._found
        if found:
            (first, second), _ = found.most_common(1)[0]
            count = found.total()
            yield (
                f"{counted(count, 'row stands', 'rows stand')} in more than one file and "
                f"{'is' if count == 1 else 'are'} read each time, e.g. {found[first, second]:,} of {second} are "
                f"in {first} too. Give one of the files, if they are copies."
            )


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _bare(item) for name, item in value.items() if item is not None}
    return [_bare(item) for item in value] if isinstance(value, list) else value
