"""A finished run, read back from its folder."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.features import usable
from spice_select.methods import Candidates
from spice_select.run import files as outputs
from spice_select.run.folder import RunFolder, load_run
from spice_select.run.origin import feature_store
from spice_select.run.settings import SelectSettings, read_config
from spice_select.run.summary import Summary
from spice_select.selection import Selection
from spice_select.store import FeatureBlock

if TYPE_CHECKING:
    from datasets import Dataset

    from spice_select.diagnosis.suspects import Suspects


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: its folder.
    """

    path: Path

    @property
    def summary(self) -> Summary:
        """The run in numbers."""
        path = RunFolder(self.path).output(outputs.SUMMARY)
        return Summary.from_json(json.loads(path.read_text(encoding="utf-8")))

    @property
    def manifest(self) -> dict[str, Any]:
        """Hashes, versions, seed and times."""
        return RunFolder(self.path).manifest() or {}

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The chosen rows exactly as they came, in the order picked, without what the selection wrote beside them.

        Raises:
            InputError: the file is missing or was altered.
        """
        return [row for row, _ in outputs.read_selected(RunFolder(self.path))]

    @property
    def dataset(self) -> "Dataset":
        """The chosen rows in the order picked, each with its `spice` object (rank, gain, epsilon, conflict, row).

        Every value is read back as it came; see `spice_select.run.dataset` for what a table makes of rows that
        differ.

        Raises:
            InputError: the name of a field is no valid Unicode; the file is missing or was altered.
        """
        from spice_select.run.dataset import dataset_of

        lines = outputs.read_selected(RunFolder(self.path))
        try:
            return dataset_of([row for row, _ in lines], [note for _, note in lines])
        except UnicodeEncodeError as error:
            raise InputError(
                f"{self.path / outputs.SELECTED}: the name of a field holds half of a surrogate pair, which no table "
                "can. Take `.rows`, or read the file's lines as JSON."
            ) from error

    @property
    def settings(self) -> SelectSettings:
        """What was asked."""
        return read_config(self.path / outputs.CONFIG)[1]

    @cached_property
    def features(self) -> FeatureBlock:
        """The features of the usable rows: ``[n, d]`` float32 as sketched, and what belongs to each row.

        Raises:
            InputError: the run's method took no gradients; a part is missing or altered.
        """
        if not self.manifest["parts"]:
            method = self.settings.selection.method
            raise InputError(
                f"{self.path} was chosen by --method {method}, which takes no gradients: there are none to look at. "
                "Its rows are in `row_numbers` and in selected.jsonl."
            )
        return usable(feature_store(self.path, self.manifest["identity"]).read(self.manifest["parts"]))[0]

    @cached_property
    def suspects(self) -> "Suspects":
        """Rows to look at before a model is trained on them, each with its reason; see `spice_select.diagnosis`.

        Looked for when first asked, and written to ``suspects.jsonl``. Raises InputError as `suspects_of`, which can
        also tell what the proxy cannot learn.
        """
        from spice_select.run.suspects import suspects_of

        return suspects_of(self)

    @property
    def candidates(self) -> Candidates:
        """The usable rows as the method saw them, their sources aside, which are not kept; suspects are in it."""
        return Candidates.of_gradients(self.features, normalise=self.settings.selection.normalise)

    @property
    def matrix(self) -> NDArray[np.floating]:
        """The features as the selector saw them ``[n, d]``: of length one, float64, where the settings say so."""
        return self.candidates.matrix.array

    @property
    def row_numbers(self) -> NDArray[np.int64]:
        """Numbers of the chosen rows in the order picked, whoever chose them."""
        RunFolder(self.path).output(outputs.SELECTION)
        return outputs.read_row_numbers(self.path)

    @property
    def selection(self) -> Selection:
        """The ordered selection; indices are positions in `features`. Raises InputError as `features`."""
        manifest = self.manifest
        RunFolder(self.path).output(outputs.SELECTION)
        return outputs.read_selection(self.path, self.features, manifest["stop"], manifest["stats"])


def load(path: str | Path) -> Run:
    """Open a finished run folder. Raises InputError when it is none, or unfinished."""
    return Run(load_run(Path(path)).path)
