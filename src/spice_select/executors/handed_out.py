"""Nobody here: a run that is begun, for processes that are started by others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spice_select.errors import PartsDueError
from spice_select.executors.base import PartJob


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
        raise PartsDueError(
            f"{self.folder}: {len(parts)} parts of {job.store.folder.name} are due, numbers {parts[0]} to {parts[-1]}. "
            f"Let `spice worker {self.folder} --parts {parts[0]}:{parts[-1] + 1}` compute them, whole or in pieces, in "
            "as many processes as you like; then run this command again."
        )
