"""Gradients that a neighbouring run has computed already: another budget, λ or normalisation needs no new ones."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.features.warm import is_warm
from spice_select.progress import Progress
from spice_select.run import files as outputs
from spice_select.run.address import address_of
from spice_select.run.folder import IDENTITY, RunFolder
from spice_select.run.origin import feature_store, gradient_facts, target_store
from spice_select.store import PartStore, explained, make_folder, sum_path

_Kept = Callable[[Path], PartStore]
"""Where a run's folder keeps the parts that are wanted here."""


def reuse_parts(run: RunFolder, feature: str, progress: Progress) -> None:
    """Link the parts of a feature from a run in the same parent folder where they would be the same, if there is one.

    Every fact of the two identities must be equal but those that concern the choice alone: same rows, proxy weights,
    template, gradient settings, device, precision and versions. Parts are hard-linked (copied where links are not
    possible), those alone that are whole and of this origin; each is checked again before it is used, as any part is.
    """
    _reuse(run, lambda folder: feature_store(folder, run.identity, feature), feature, progress)


def reuse_target(run: RunFolder, feature: str, progress: Progress, *, plain: bool) -> None:
    """The same for the parts of a target's rows, whatever tasks they are in and whichever are held out.

    `plain` as `target_store` has it.
    """
    kept: _Kept = lambda folder: target_store(folder, run.identity, feature, plain=plain)  # noqa: E731
    _reuse(run, kept, f"{feature} of the target", progress)


def _reuse(run: RunFolder, kept: _Kept, what: str, progress: Progress) -> None:
    own = kept(run.path).folder
    if address_of(run.path) is not None or _parts(own):  # what lies at an address is shared there
        return
    wanted = gradient_facts(run.identity)
    found = [folder for folder in _neighbours(run, kept) if gradient_facts(_identity(folder)) == wanted]
    for source in sorted(found, key=lambda folder: -len(_parts(kept(folder).folder))):
        sound = _sound(source, kept(source))
        if sound:
            make_folder(own)
            with explained(run.path):
                for path in sound:
                    _link(path, own / path.name)
            progress.note(f"The {what} are those of {source}, which asked for the same: taken from there.")
            return


def _neighbours(run: RunFolder, kept: _Kept) -> list[Path]:
    """Runs beside this one that have such parts."""
    folders = [path.parent for path in sorted(run.path.resolve().parent.glob(f"*/{IDENTITY}"))]
    return [folder for folder in folders if folder != run.path.resolve() and _parts(kept(folder).folder)]


def _identity(folder: Path) -> Mapping[str, Any]:
    try:
        return RunFolder(folder).identity
    except InputError:  # damaged, and none of this run's business
        return {}


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def _sound(run: Path, store: PartStore) -> list[Path]:
    """The parts that are whole and of the wanted origin, the adapters they were taken of, the check of the sketch."""
    names = [path.stem.removeprefix("part-") for path in _parts(store.folder)]
    numbers = [int(name) for name in names if name.isdigit()]
    sound = [store.path(number) for number in numbers if store.is_finished(number)]
    check = run / outputs.FIDELITY
    extra = [check] if sound and check.parent == store.folder and check.is_file() else []
    sound += [path for path in store.folder.glob("warm*.safetensors") if is_warm(path, origin=store.origin)]
    return [*sound, *(sum_path(path) for path in sound), *extra]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
