"""What a driver has seen, in order, for people and for counting: the store alone says what is finished."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from spice_select.store import explained

LEDGER = "ledger.jsonl"


class RunLedger:
    """A file of JSON lines in the run folder that is only ever appended to; each line is flushed as it is written.

    Every line has `time` and `event`: `begun`, `opened`, `finished` (a receipt that counted), `found` (in the store
    without one), `late` (a receipt that came after another), `died`, `dropped`, `ended`.
    """

    def __init__(self, run: Path) -> None:
        with explained(run):
            self._file = (run / LEDGER).open("ab+")
        self._end_torn_line()

    def write(self, event: str, **facts: Any) -> None:
        """Add a line."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def _end_torn_line(self) -> None:
        """A driver that was killed as it wrote may have left the beginning of one."""
        if self._file.tell() > 0:
            self._file.seek(-1, os.SEEK_END)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_ledger(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's ledger, torn ones left out; none where no cluster computed."""
    path = run / LEDGER
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line for text in lines if (line := _parsed(text)) is not None]


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
