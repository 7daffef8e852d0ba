"""SHA-256 of large files, computed once in a process."""

import hashlib
from functools import lru_cache
from pathlib import Path


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file; about a second for each gigabyte, and nothing the next time unless the file has changed.

    A file counts as unchanged while inode, size, and the times of its last change (of content and of inode) are the
    same to the nanosecond.
    """
    place = path.resolve()
    state = place.stat()
    return _digest(place, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, *state: int) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
