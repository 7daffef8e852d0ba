"""Gradients that a neighbouring run has computed already: another budget, λ or normalisation needs no new ones."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.features.warm import is_warm
from spice_select.progress import Progress
from spice_select.run import files as outputs
from spice_select.run.folder import IDENTITY, RunFolder
from spice_select.run.origin import feature_store, gradient_facts
from spice_select.store import explained, sum_path


def reuse_parts(run: RunFolder, feature: str, progress: Progress) -> None:
    """Link the parts of a feature from a run in the same parent folder where they would be the same, if there is one.

    Every fact of the two identities must be equal but those that concern the choice alone: same rows, proxy weights,
    template, gradient settings, device, precision and versions. Parts are hard-linked (copied where links are not
    possible), those alone that are whole and of this origin; each is checked again before it is used, as any part is.
    """
    features = run.path / feature
    if any(features.glob("*.parquet")):
        return
    wanted = gradient_facts(run.identity)
    found = [folder for folder in _neighbours(run, feature) if gradient_facts(_identity(folder)) == wanted]
    for source in sorted(found, key=lambda folder: -len(_parts(folder, feature))):
        sound = _sound(source, run.identity, feature)
        if sound:
            with explained(run.path):
                features.mkdir(parents=True, exist_ok=True)
                for path in sound:
                    _link(path, features / path.name)
            progress.note(f"The {feature} are those of {source}, which asked for the same: taken from there.")
            return


def _neighbours(run: RunFolder, feature: str) -> list[Path]:
    """Runs beside this one that have parts of the feature."""
    folders = sorted(run.path.resolve().parent.glob(f"*/{IDENTITY}"))
    return [path.parent for path in folders if path.parent != run.path.resolve() and _parts(path.parent, feature)]


def _identity(folder: Path) -> Mapping[str, Any]:
    try:
        return RunFolder(folder).identity
    except InputError:  # damaged, and none of this run's business
        return {}


def _parts(folder: Path, feature: str) -> list[Path]:
    return sorted((folder / feature).glob("part-*.parquet"))


def _sound(folder: Path, identity: Mapping[str, Any], feature: str) -> list[Path]:
    """The parts that are whole and of the wanted origin, the adapters they were taken of, the check of the sketch."""
    store = feature_store(folder, identity, feature)
    names = [path.stem.removeprefix("part-") for path in _parts(folder, feature)]
    numbers = [int(name) for name in names if name.isdigit()]
    sound = [store.path(number) for number in numbers if store.is_finished(number)]
    check = folder / outputs.FIDELITY
    extra = [check] if sound and check.parent.name == feature and check.is_file() else []
    sound += [path for path in (folder / feature).glob("warm*.safetensors") if is_warm(path, origin=store.origin)]
    return [*sound, *(sum_path(path) for path in sound), *extra]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
