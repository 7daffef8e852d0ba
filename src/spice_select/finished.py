"""A finished run, read back from its folder."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spice_select import outputs
from spice_select.choice import normalised, usable
from spice_select.config import SelectSettings, read_config
from spice_select.diagnosis.checks import CheckResult, run_checks
from spice_select.errors import InputError
from spice_select.run import RunFolder, load_run
from spice_select.selection import LogDet, Selection
from spice_select.store import FeatureBlock, PartStore
from spice_select.summary import Summary

if TYPE_CHECKING:
    from datasets import Dataset


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
        return Summary.from_json(json.loads((self.path / outputs.SUMMARY).read_text(encoding="utf-8")))

    @property
    def manifest(self) -> dict[str, Any]:
        """Hashes, versions, seed and times."""
        return RunFolder(self.path).manifest() or {}

    @property
    def dataset(self) -> "Dataset":
        """The chosen rows in the order picked, each with its `spice` object (rank, gain, epsilon, conflict, row)."""
        from datasets import Dataset

        return Dataset.from_list(list(outputs.iterate_selected(self.path)))

    @property
    def settings(self) -> SelectSettings:
        """What was asked."""
        return read_config(self.path / outputs.CONFIG)[1]

    @cached_property
    def features(self) -> FeatureBlock:
        """The features of the usable rows: ``[n, d]`` float32 as sketched, and what belongs to each row."""
        return usable(PartStore(self.path / outputs.FEATURES).read(self.manifest["parts"]))[0]

    @property
    def matrix(self) -> NDArray[np.floating]:
        """The features as the selector saw them ``[n, d]``: of length one, float64, where the settings say so."""
        return normalised(self.features.features, self.settings.selection.normalise)

    @property
    def selection(self) -> Selection:
        """The ordered selection; indices are positions in `features`."""
        manifest = self.manifest
        return outputs.read_selection(self.path, self.features, manifest["stop"], manifest["stats"])


def load(path: str | Path) -> Run:
    """Open a finished run folder. Raises InputError when it is none, or unfinished."""
    return Run(load_run(Path(path)).path)


def check_run(path: str | Path, *, seed: int = 0) -> list[CheckResult]:
    """The sceptic's questions, asked of a finished run's own gradients: see `spice_select.diagnosis.run_checks`."""
    run = load(path)
    settings, selection = run.settings, run.selection
    if settings.selection.objective != "log-det":
        raise InputError(
            f"{path} was chosen by --objective {settings.selection.objective}: the checks ask whether the theory of "
            "log det holds, so they need a run with --objective log-det. Its gradients are taken from this one."
        )
    if settings.selection.schedule == "interleaved" and settings.interleaved.carry_state:
        selection = replace(selection, pools=np.zeros_like(selection.pools))  # one state from first to last
    return run_checks(run.matrix, selection, LogDet(alpha=settings.selection.alpha), seed=seed)
