"""A file and its SHA-256 beside it, written last: the file counts only while its bytes match that sum."""

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spice_select.store.atomic import atomic, sha256

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def json_sum(content: Any) -> str:
    """SHA-256 of what is JSON-ready, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sum_path(path: Path) -> Path:
    """Where a file's sum lies: beside it, with the suffix ``.sha256``, in the form that ``sha256sum -c`` reads."""
    return path.with_suffix(".sha256")


def write_sum(path: Path, digest: str) -> None:
    """Declare a file whole: the last step of writing it."""
    with atomic(sum_path(path)) as aside:
        aside.write_text(f"{digest}  {path.name}\n")


def is_whole(path: Path) -> bool:
    """Whether a file is there and its bytes match the sum beside it."""
    try:
        return sum_path(path).read_bytes().split()[:1] == [sha256(path).encode()]
    except _ABSENT:
        return False


_State = tuple[int, ...]
"""What the file system says of a file: another where it was written, renamed or put in another's place since."""
_SETTLED = 1.0
"""Seconds since a file's last change after which a further one shows in its times, which tick a few ms apart."""


@dataclass(frozen=True)
class WholeFiles:
    """Files with their sums beside them; the bytes of each are hashed once, and again when the file has changed."""

    _digests: dict[Path, tuple[_State, str]] = field(default_factory=dict)

    def read(self, path: Path) -> bytes | None:
        """The bytes of a file if they match the sum beside it, else None.

        What was checked is what is returned: nobody can change it between the check and its use.
        """
        try:
            with path.open("rb") as file:
                before = _state(file.fileno())
                content = file.read()
                after = _state(file.fileno())
            recorded = sum_path(path).read_bytes()
        except _ABSENT:
            return None
        known, digest = self._digests.get(path, ((), ""))
        if not known == before == after:
            digest = hashlib.sha256(content).hexdigest()
            self._digests.pop(path, None)
            if before == after and time.time() - after[-1] / 1e9 > _SETTLED:
                self._digests[path] = after, digest
        return content if recorded.split()[:1] == [digest.encode()] else None


def _state(file: int) -> _State:
    found = os.fstat(file)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
