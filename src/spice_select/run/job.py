"""The missing parts of a run as a job that can be sent to another process."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from spice_select.executors.base import Batches, Work
from spice_select.features.stage import FeatureParts
from spice_select.methods.base import GRADIENTS
from spice_select.run import files as outputs
from spice_select.run.folder import IDENTITY, RunFolder
from spice_select.run.origin import feature_store
from spice_select.run.settings import SelectSettings
from spice_select.store import PartStore, make_folder, sum_path


@dataclass
class RunJob:
    """A `PartJob` known by its run folder. Here it uses what this process holds; pickled it is a few words.

    Attributes:
        run: the run folder: its config names corpus and model, its identity says whether what is found is the same.
        feature: which of the run's features the parts are of.
        device: where the receiver computes.
        of_target: whether they are those of the target's rows, not of the corpus'.
        carries: whether what the receiver needs of the run folder goes along, for one that does not see this disk:
            identity, config and what all parts are made with. Corpus and model it must find where the config says.
        live: the parts as this process holds them; not sent along.
    """

    run: Path
    feature: str = GRADIENTS
    device: str = "auto"
    of_target: bool = False
    carries: bool = False
    live: FeatureParts | None = field(default=None, repr=False, compare=False)
    _borrowed: bool = field(default=False, init=False, repr=False, compare=False)

    @classmethod
    def of(
        cls, run: RunFolder, feature: str, settings: SelectSettings, live: FeatureParts, *, of_target: bool = False
    ) -> Self:
        """As a run's settings have it. A process elsewhere finds the same kind of device by another number."""
        asked = settings.engine
        device = settings.proxy.device if asked.engine == "here" else str(run.identity["device"])
        return cls(run=run.path, feature=feature, device=device, of_target=of_target, carries=asked.gather, live=live)

    @property
    def store(self) -> PartStore:
        """See `PartJob.store`."""
        return self._opened().store

    def prepare(self) -> None:
        """See `PartJob.prepare`."""
        self._opened().prepare()

    def open(self) -> Work:
        """See `PartJob.open`. In another process the corpus is read and encoded again, and the model is loaded.

        Raises:
            InputError: corpus, model or versions found there are not those of the run.
        """
        work = self._opened().open()
        if self._borrowed:
            shutil.rmtree(self.run, ignore_errors=True)  # read by now; who ends a worker does not let it clean up
        return work

    def is_finished(self, part: int) -> bool:
        """See `PartJob.is_finished`."""
        return self._opened().is_finished(part)

    def batches(self, part: int) -> Batches:
        """See `PartJob.batches`."""
        return self._opened().batches(part)

    def _opened(self) -> FeatureParts:
        if self.live is None:
            from spice_select.run.worker import open_ticket  # the only way here that reads a corpus

            self.live = open_ticket(self.run, self.feature, of_target=self.of_target, device=self.device)
        return self.live

    def __getstate__(self) -> dict[str, Any]:
        carried = _carried(self.run, self.feature) if self.carries else {}
        return {**self.__dict__, "run": self.run.resolve(), "live": None, "carried": carried}

    def __setstate__(self, state: dict[str, Any]) -> None:
        carried = state.pop("carried")
        self.__dict__.update(state)
        if carried:
            self.run, self._borrowed = Path(tempfile.mkdtemp(prefix="spice-run-")), True
            _unpack(carried, self.run)


def _carried(run: Path, feature: str) -> dict[str, bytes]:
    """The files of a run that a process needs beside corpus and model, by their place in it."""
    kept = feature_store(run, RunFolder(run).identity, feature).folder.glob("*.safetensors")
    files = [run / IDENTITY, run / outputs.CONFIG, *(file for path in kept for file in (path, sum_path(path)))]
    return {file.relative_to(run).as_posix(): file.read_bytes() for file in files}


def _unpack(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        place = folder / name
        make_folder(place.parent)
        place.write_bytes(content)
