"""Gradients that a neighbouring run has computed already: another budget, λ or normalisation needs no new ones."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.progress import Progress
from spice_select.run import files as outputs
from spice_select.run.folder import IDENTITY, RunFolder
from spice_select.run.origin import feature_store, gradient_facts
from spice_select.store import explained, sum_path


def reuse_gradients(run: RunFolder, progress: Progress) -> None:
    """Link the gradient parts of a run in the same parent folder whose gradients would be the same, if there is one.

    Every fact of the two identities must be equal but those that concern the choice alone: same rows, proxy weights,
    template, gradient settings, device, precision and versions. Parts are hard-linked (copied where links are not
    possible), those alone that are whole and of this origin; each is checked again before it is used, as any part is.
    """
    features = run.path / outputs.FEATURES
    if any(features.glob("*.parquet")):
        return
    wanted = gradient_facts(run.identity)
    found = [folder for folder in _neighbours(run) if gradient_facts(_identity(folder)) == wanted]
    for source in sorted(found, key=lambda folder: -len(_parts(folder))):
        sound = _sound(source, run.identity)
        if sound:
            with explained(run.path):
                features.mkdir(parents=True, exist_ok=True)
                for path in sound:
                    _link(path, features / path.name)
            progress.note(f"The gradients are those of {source}, which asked for the same: taken from there.")
            return


def _neighbours(run: RunFolder) -> list[Path]:
    """Runs beside this one that have gradients."""
    folders = sorted(run.path.resolve().parent.glob(f"*/{IDENTITY}"))
    return [path.parent for path in folders if path.parent != run.path.resolve() and _parts(path.parent)]


def _identity(folder: Path) -> Mapping[str, Any]:
    try:
        return RunFolder(folder).identity
    except InputError:  # damaged, and none of this run's business
        return {}


def _parts(folder: Path) -> list[Path]:
    return sorted((folder / outputs.FEATURES).glob("part-*.parquet"))


def _sound(folder: Path, identity: Mapping[str, Any]) -> list[Path]:
    """The parts that are whole and of the wanted origin, their sums, and the check of the sketch."""
    store, names = feature_store(folder, identity), [path.stem.removeprefix("part-") for path in _parts(folder)]
    numbers = [int(name) for name in names if name.isdigit()]
    sound = [store.path(number) for number in numbers if store.is_finished(number)]
    extra = [folder / outputs.FIDELITY] if sound and (folder / outputs.FIDELITY).is_file() else []
    return [*sound, *(sum_path(path) for path in sound), *extra]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
