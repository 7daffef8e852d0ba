"""A finished run, read back from its folder."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spice_select.config import SelectSettings, read_config
from spice_select.diagnosis.early_stop import EarlyStop, early_stops
from spice_select.diagnosis.matrix import Matrix, read
from spice_select.diagnosis.sensitivity import Sensitivity, sensitivity
from spice_select.diagnosis.theory import CheckResult, run_checks
from spice_select.diagnosis.warning_signs import Sign, signs
from spice_select.errors import InputError
from spice_select.methods.budget import Budget
from spice_select.methods.choice import choose, normalised, priced, usable
from spice_select.run import files as outputs
from spice_select.run.folder import RunFolder, load_run
from spice_select.run.origin import feature_store
from spice_select.run.summary import Summary
from spice_select.selection import LogDet, Selection
from spice_select.store import FeatureBlock

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
        return [row for row, _ in self._lines()]

    @property
    def dataset(self) -> "Dataset":
        """The chosen rows in the order picked, each with its `spice` object (rank, gain, epsilon, conflict, row).

        Every value is read back as it came; see `spice_select.run.dataset` for what a table makes of rows that
        differ.

        Raises:
            InputError: the name of a field is no valid Unicode; the file is missing or was altered.
        """
        from spice_select.run.dataset import dataset_of

        lines = self._lines()
        try:
            return dataset_of([row for row, _ in lines], [note for _, note in lines])
        except UnicodeEncodeError as error:
            raise InputError(
                f"{self.path / outputs.SELECTED}: the name of a field holds half of a surrogate pair, which no table "
                "can. Take `.rows`, or read the file's lines as JSON."
            ) from error

    def _lines(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        RunFolder(self.path).output(outputs.SELECTED)
        return [outputs.as_it_came(record) for record in outputs.iterate_selected(self.path)]

    @property
    def settings(self) -> SelectSettings:
        """What was asked."""
        return read_config(self.path / outputs.CONFIG)[1]

    @cached_property
    def features(self) -> FeatureBlock:
        """The features of the usable rows: ``[n, d]`` float32 as sketched, and what belongs to each row."""
        return usable(feature_store(self.path, self.manifest["identity"]).read(self.manifest["parts"]))[0]

    @property
    def matrix(self) -> NDArray[np.floating]:
        """The features as the selector saw them ``[n, d]``: of length one, float64, where the settings say so."""
        return normalised(self.features.features, self.settings.selection.normalise)

    @property
    def selection(self) -> Selection:
        """The ordered selection; indices are positions in `features`."""
        manifest = self.manifest
        RunFolder(self.path).output(outputs.SELECTION)
        return outputs.read_selection(self.path, self.features, manifest["stop"], manifest["stats"])


def load(path: str | Path) -> Run:
    """Open a finished run folder. Raises InputError when it is none, or unfinished."""
    return Run(load_run(Path(path)).path)


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What a run's own gradients say of it.

    Attributes:
        checks: does the theory hold? None asked where the run was not chosen by log det.
        sensitivity: what other λ and α would have chosen; None where that cannot be told.
        untold: why not, in a sentence; "" otherwise.
        stops: where other ω would have ended it.
        signs: what would explain poor tuning despite high information.
    """

    checks: list[CheckResult]
    sensitivity: Sensitivity | None
    untold: str
    stops: tuple[EarlyStop, ...]
    signs: list[Sign]


def check_run(path: str | Path, *, seed: int = 0) -> list[CheckResult]:
    """The sceptic's questions, asked of a finished run's own gradients: see `spice_select.diagnosis.run_checks`.

    Raises:
        InputError: the run was not chosen by log det, whose theory the questions are about.
    """
    _check_seed(seed)
    run = load(path)
    chosen = run.settings.selection
    if chosen.objective != "log-det":
        raise InputError(
            f"{path} was chosen by --objective {chosen.objective}: the checks ask whether the theory of log det holds, "
            "so they need a run with --objective log-det. Its gradients are taken from this one."
        )
    return run_checks(run.matrix, _recorded(run), LogDet(alpha=chosen.alpha), seed=seed, **_priced(run))


def examine_run(path: str | Path, *, seed: int = 0) -> Examination:
    """`check_run`, and what the run's λ, α and ω do on its gradients.

    Cost: that of `run_checks`, `sensitivity` (nine selections) and `signs`.
    """
    _check_seed(seed)
    run = load(path)
    matrix, selection, chosen = run.matrix, _recorded(run), run.settings.selection
    objective, untold = LogDet(alpha=chosen.alpha), _untold(run.settings)
    by_log_det, rows = chosen.objective == "log-det", read(matrix)
    return Examination(
        checks=run_checks(rows, selection, objective, seed=seed, **_priced(run)) if by_log_det else [],
        sensitivity=None if untold else _sensitivity(run, rows, selection),
        untold=untold,
        stops=early_stops(selection),
        signs=signs(rows, selection, objective, seed=seed),
    )


def _priced(run: Run) -> dict[str, Any]:
    return priced(run.features, Budget.parse(run.settings.selection.budget))


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise InputError(f"seed={seed}: a seed is 0 or above. Give another.")


def _recorded(run: Run) -> Selection:
    """The picks of a run, in one pool where one state was carried from first to last."""
    settings, selection = run.settings, run.selection
    if settings.selection.schedule == "interleaved" and settings.interleaved.carry_state:
        return replace(selection, pools=np.zeros_like(selection.pools))
    return selection


def _untold(settings: SelectSettings) -> str:
    chosen = settings.selection
    if chosen.objective != "log-det":
        return f"Chosen by --objective {chosen.objective}: what is asked of log det alone is left out."
    if chosen.schedule == "interleaved":
        return "With another λ or α the proxy would have moved elsewhere: what it would choose takes a run of its own."
    if chosen.per_source_min is not None or chosen.per_source_max is not None:
        return "What another λ or α would choose under quotas takes a run of its own: sources are not kept."
    return ""


def _sensitivity(run: Run, rows: Matrix, selection: Selection) -> Sensitivity:
    settings, features = run.settings.selection, run.features
    budget = Budget.parse(settings.budget)

    def select(alpha: float, weight: float) -> Selection:
        other = settings.model_copy(update={"alpha": alpha, "conflict_weight": weight})
        return choose(rows.array, features, (), budget, other)

    return sensitivity(rows, selection, select, alpha=settings.alpha, conflict_weight=settings.conflict_weight)
