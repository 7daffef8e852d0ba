"""Records that are too many for memory: in a file without a name, each written once and read by its number."""

import tempfile
import threading
from array import array
from pathlib import Path

from spice_select.store.atomic import explained


class Spool:
    """Bytes by number, from 0 in the order written. Memory: 8 bytes a record, however long it is.

    The file lies where temporary files do (`TMPDIR`) and is gone when this is, however the process ends. Threads may
    share one.
    """

    def __init__(self) -> None:
        self._place = Path(tempfile.gettempdir())
        self._ends, self._lock = array("q", [0]), threading.Lock()
        with explained(self._place):
            self._file = tempfile.TemporaryFile(prefix="spice-")  # noqa: SIM115 - it lives as long as this does

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, record: bytes) -> None:
        """Put a record behind the others. Raises InputError when the disk refuses."""
        with self._lock, explained(self._place):
            if self._file.tell() != self._ends[-1]:
                self._file.seek(self._ends[-1])
            self._file.write(record)
            self._ends.append(self._ends[-1] + len(record))

    def __getitem__(self, number: int) -> bytes:
        """The record of a number, 0 or more. Raises InputError as `append`: the last ones may not be written yet."""
        begin, end = self._ends[number], self._ends[number + 1]
        with self._lock, explained(self._place):
            self._file.seek(begin)
            return self._file.read(end - begin)
