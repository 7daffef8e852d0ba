"""What a driver has seen, in order, for people and for counting: the store alone says what is finished."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spice_select.store import add_line, read_lines

LEDGER = "ledger.jsonl"


class RunLedger:
    """A file of JSON lines in the run folder that is only ever appended to.

    Every line has `time` and `event`: `begun`, `opened`, `finished` (a receipt that counted), `found` (in the store
    without one), `late` (a receipt that came after another), `died`, `dropped`, `ended`.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / LEDGER

    def write(self, event: str, **facts: Any) -> None:
        """Add a line."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
        add_line(self._path, line)


def read_ledger(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's ledger, torn ones left out; none where no cluster computed."""
    return read_lines(run / LEDGER)
