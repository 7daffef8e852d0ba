"""A file and its SHA-256 beside it, written last: the file counts only while its bytes match that sum."""

import hashlib
from pathlib import Path

from spice_select.store.atomic import atomic, sha256

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


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


def whole_bytes(path: Path) -> bytes | None:
    """The bytes of a file if they match the sum beside it, else None.

    What was checked is what is returned: nobody can change it between the check and its use.
    """
    try:
        content, recorded = path.read_bytes(), sum_path(path).read_bytes()
    except _ABSENT:
        return None
    matches = recorded.split()[:1] == [hashlib.sha256(content).hexdigest().encode()]
    return content if matches else None
