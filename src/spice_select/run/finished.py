"""A finished run, read back from its folder."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.features import usable, usable_together
from spice_select.features.row_weights import ROW_WEIGHTS, row_scales
from spice_select.methods import METHODS, Candidates
from spice_select.methods.target import GRADIENTS, TargetSet
from spice_select.run import files as outputs
from spice_select.run.folder import RunFolder, load_run
from spice_select.run.identity import altered_settings
from spice_select.run.origin import TARGET, feature_store, target_store
from spice_select.run.settings import SelectSettings, read_config
from spice_select.run.summary import Summary
from spice_select.run.target import CHOOSING
from spice_select.selection import Selection
from spice_select.selection.objectives import DistinctVariance
from spice_select.settings.counted import counted
from spice_select.settings.places import place_text
from spice_select.store import FeatureBlock, PartStore

if TYPE_CHECKING:
    from datasets import Dataset

    from spice_select.diagnosis.suspects import Suspects
    from spice_select.run.explanation import Explanation


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
        """What was asked, with the numbers that `auto` came to.

        Raises:
            InputError: the file is missing, or says something else than the run was made with.
        """
        manifest, path = self.manifest, self.path / outputs.CONFIG
        settings = read_config(path)[1]
        if altered := altered_settings(settings, manifest.get("identity", {})):
            raise InputError(
                f"{path} was altered after the run: {'; '.join(altered)}. Put the old file back, or run the same "
                "`spice select` command again: it writes the file anew."
            )
        return settings.numbered(manifest.get("automatic", {})).without_idle_revision()

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
        return usable(self._read)[0]

    @cached_property
    def _read(self) -> FeatureBlock:
        """The features of all rows that were encoded."""
        return feature_store(self.path, self.manifest["identity"]).read(self.manifest["parts"])

    @cached_property
    def suspects(self) -> "Suspects":
        """Rows to look at before a model is trained on them, each with its reason; see `spice_select.diagnosis`.

        Looked for when first asked, and written to ``suspects.jsonl``. Raises InputError as `suspects_of`, which can
        also tell what the proxy cannot learn.
        """
        from spice_select.run.suspects import suspects_of

        return suspects_of(self)

    def explain(self, row: int | str) -> "Explanation":
        """Why a row was chosen, rejected or dropped: by its number, its place (``train.jsonl:17``) or its SHA-256.

        Of many rows at once ask one `spice_select.run.explaining.Explainer`. Raises InputError: there is no such row;
        the files of the run were altered.
        """
        from spice_select.run.explaining import Explainer

        return Explainer(self).of(row)

    @cached_property
    def target(self) -> TargetSet | None:
        """The rows that it was chosen for and their tasks, with what the method knew of them; None without a target.

        Rows that were held out are not among them. Where the proxy moved, gradients are those of its last state.

        Raises:
            InputError: the list of rows, or a part, is missing or altered.
        """
        return self.target_at(None)

    def target_at(self, updates: int | None) -> TargetSet | None:
        """`target` as the proxy saw it after so many updates; None for a proxy that stands still, or the last state."""
        if not self.settings.target.target:
            return None
        tasks = {
            int(line["row"]): str(line["task"])
            for line in outputs.read_target_rows(RunFolder(self.path))
            if line["use"] == CHOOSING
        }
        known = {name: _of_all(store, tasks) for name, store in self._target_stores(updates).items()}
        blocks, _ = usable_together(known)
        rows = next((block.rows for block in blocks.values()), np.array(list(tasks), np.int64))
        kept = np.flatnonzero(np.isin(rows, list(tasks)))
        return TargetSet(
            rows=rows[kept],
            tasks=[tasks[int(row)] for row in rows[kept]],
            features={name: block.take(kept) for name, block in blocks.items()},
            normalise=self.settings.selection.normalise,
        )

    def _target_stores(self, updates: int | None) -> dict[str, PartStore]:
        """Where what was computed of the target lies, by the feature's name."""
        identity, chosen = self.manifest["identity"], self.settings.selection
        method = METHODS[chosen.method]
        if chosen.schedule == "interleaved":
            if updates is None:
                cycles = sorted((self.path / TARGET / GRADIENTS).glob("cycle-*"))
                updates = int(cycles[-1].name.removeprefix("cycle-"))
            return {GRADIENTS: target_store(self.path, identity, cycle=updates)}
        return {
            name: target_store(self.path, identity, name, plain=method.plain_target)
            for name in method.of(self.settings.flat()).needs()
        }

    @cached_property
    def candidates(self) -> Candidates:
        """The usable rows as the method saw them, their sources aside, which are not kept; also those left out."""
        chosen, features = self.settings.selection, self.features
        weight = ROW_WEIGHTS[chosen.row_weight]
        scales = row_scales(weight, features.supervised, self._read.supervised, features)
        found = Candidates.of_gradients(features, normalise=chosen.normalise, scales=scales, target=self.target)
        return replace(found, counts=self._counts(features.rows))

    def _counts(self, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """`Candidates.counts` as the choice had it, 1 for rows left out; None where each pool counted its own."""
        settings = self.settings
        counted = settings.spice.objective == DistinctVariance.name and settings.selection.schedule != "interleaved"
        return outputs.read_copies(RunFolder(self.path), rows) if counted else None

    @property
    def matrix(self) -> NDArray[np.floating]:
        """The features as the selector saw them ``[n, d]``: of length one and weighted where the settings say so."""
        return np.asarray(self.candidates.matrix.array)

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
    """Open a finished run folder. Raises InputError when it is none, or unfinished, or of a training or comparison."""
    return Run(load_run(Path(place_text(path, "Give the folder of a run."))).path)


def _of_all(store: PartStore, rows: Iterable[int]) -> FeatureBlock:
    """What is known of a target's rows. Raises InputError: a part is damaged, or the last ones are not there."""
    block = store.read(max(1, store.count()))
    lost = set(rows) - set(block.rows.tolist())
    if lost:
        raise InputError(
            f"{store.folder}: {counted(len(lost), 'row')} of the target, the first {min(lost)}, is in no part of it. "
            "Run the same `spice select` command again: the part is computed again."
        )
    return block
