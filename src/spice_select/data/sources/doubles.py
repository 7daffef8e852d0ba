"""Rows that stand in a folder twice: a file beside its packed copy, a table beside the lines it was made from."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from spice_select.data.plain import json_text
from spice_select.data.sources.bytes import CODECS


def unpacked_name(file: PurePath) -> PurePath:
    """The file's name without the extension of a codec: equal for a file and its packed copy."""
    return file.with_suffix("") if file.suffix.lower() in CODECS else file


class Doubles:
    """Counts rows of one file that are in another too. Costs a canonical JSON and a short hash a row.

    Nulls count as absent, for tables fill up with them: rows in JSON lines equal the same rows in Parquet.
    """

    def __init__(self) -> None:
        self._first: dict[bytes, PurePath] = {}
        self._found: Counter[tuple[PurePath, PurePath]] = Counter()

    def add(self, file: PurePath, raw: dict[str, Any]) -> None:
        text = json_text(_bare(raw), ascii_only=True, sort_keys=True)
        first = self._first.setdefault(hashlib.blake2b(text.encode(), digest_size=16).digest(), file)
        if first != file:
            self._found[first, file] += 1

    def told(self) -> Iterable[str]:
        """A sentence on the rows that are there twice; none where there are none."""
        if self._found:
            (first, second), _ = self._found.most_common(1)[0]
            count = sum(self._found.values())
            yield (
                f"{count:,} {'row stands' if count == 1 else 'rows stand'} in more than one file and "
                f"{'is' if count == 1 else 'are'} read each time, e.g. {self._found[first, second]:,} of {second} are "
                f"in {first} too. Give one of the files, if they are copies."
            )


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _bare(item) for name, item in value.items() if item is not None}
    return [_bare(item) for item in value] if isinstance(value, list) else value
