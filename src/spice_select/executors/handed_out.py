"""Nobody here: a run that is begun, for processes that are started by others."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spice_select.errors import PartsDueError
from spice_select.executors.base import PartJob
from spice_select.settings.counted import counted


@dataclass(frozen=True, kw_only=True)
class HandedOut:
    """Says which parts are due, and ends the run there; the same command goes on when they are.

    Attributes:
        folder: the run folder.
    """

    folder: Path

    def run(self, parts: Sequence[int], job: PartJob, *, seen: Callable[[int], None] = lambda part: None) -> None:
        """See `Executor.run`; but it never returns.

        Raises:
            PartsDueError: always.
        """
        job.prepare()
        due = counted(len(parts), f"part of {job.store.folder.name} is", f"parts of {job.store.folder.name} are")
        command = shlex.join(["spice", "worker", str(self.folder), "--parts", f"{parts[0]}:{parts[-1] + 1}"])
        raise PartsDueError(
            f"{self.folder}: {due} due, numbers {parts[0]} to {parts[-1]}. Let `{command}` compute them, whole or in "
            "pieces, in as many processes as you like; then run this command again."
        )
