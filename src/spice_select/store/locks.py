"""Locks on open files, which the system lets go when their process ends, however that happens."""

import sys
from pathlib import Path
from typing import IO

from filelock import lock_descriptor


def hold(file: IO, *, wait: bool = False) -> bool | None:
    """Take the lock on an open file, until that is closed.

    Args:
        file: opened to write.
        wait: until whoever holds it lets go.

    Returns:
        Whether it is held now: False where another holds it, None where the file system has no locks.
    """
    try:
        return lock_descriptor(file.fileno(), blocking=wait)
    except OSError:
        return None


def is_held(path: Path) -> bool | None:
    """Whether a process holds the lock on a file; None where there is no such file, or no locks.

    To look is to take the lock for an instant: shared with others who look, who would else be taken for its holder.
    """
    try:
        with path.open("r+") as file:
            taken = _share(file)
    except OSError:
        return None
    return None if taken is None else not taken


def _share(file: IO) -> bool | None:
    """As `hold`, beside others who do the same; on Windows alone."""
    if sys.platform == "win32":
        return hold(file)
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
