"""The missing parts of a run as a job that can be sent to another process."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spice_select.executors.base import PartJob, Work
from spice_select.methods.base import GRADIENTS


@dataclass
class RunJob:
    """A `PartJob` known by its run folder. Here it uses what this process holds; pickled it is a few words.

    Attributes:
        run: the run folder: its config names corpus and model, its identity says whether what is found is the same.
        feature: which of the run's features the parts are of.
        device: where the receiver computes.
        live: the parts as this process holds them; not sent along.
    """

    run: Path
    feature: str = GRADIENTS
    device: str = "auto"
    live: PartJob | None = field(default=None, repr=False, compare=False)

    def open(self) -> Work:
        """See `PartJob.open`. In another process the corpus is read and encoded again, and the model is loaded.

        Raises:
            InputError: corpus, model or versions found there are not those of the run.
        """
        return self._opened().open()

    def is_finished(self, part: int) -> bool:
        """See `PartJob.is_finished`."""
        return self._opened().is_finished(part)

    def _opened(self) -> PartJob:
        if self.live is None:
            from spice_select.run.worker import parts_of  # the only way here that reads a corpus

            self.live = parts_of(self.run, self.feature, device=self.device)
        return self.live

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "run": self.run.resolve(), "live": None}
