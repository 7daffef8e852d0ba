"""Gradients that a neighbouring run has computed already: another budget, λ or normalisation needs no new ones."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spice_select import outputs
from spice_select.config import InterleavedSettings, SelectionSettings
from spice_select.errors import InputError
from spice_select.progress import Progress
from spice_select.run import IDENTITY, RunFolder
from spice_select.store import explained

_ONLY_THE_CHOICE = (SelectionSettings.model_fields.keys() - {"seed"}) | InterleavedSettings.model_fields.keys()
"""Settings that change what is chosen from the gradients, not the gradients. The seed draws LoRA and sketch."""


def reuse_gradients(run: RunFolder, progress: Progress) -> None:
    """Link the gradient parts of a run in the same parent folder whose gradients would be the same, if there is one.

    Every fact of the two identities must be equal but those that concern the choice alone: same rows, proxy weights,
    template, gradient settings, device, precision and versions. Parts are hard-linked (copied where links are not
    possible); each is checked against its SHA-256 before it is used, as any part is.
    """
    if any((run.path / outputs.FEATURES).glob("*.parquet")):
        return
    wanted = _facts(run.read_json(IDENTITY))
    found = [folder for folder in _neighbours(run) if _facts(_identity(folder)) == wanted]
    if not found:
        return
    source = max(found, key=lambda folder: len(_parts(folder)))
    with explained(run.path):
        (run.path / outputs.FEATURES).mkdir(parents=True, exist_ok=True)
        for path in _parts(source):
            _link(path, run.path / outputs.FEATURES / path.name)
    progress.note(f"The gradients are those of {source}, which asked for the same: taken from there.")


def _neighbours(run: RunFolder) -> list[Path]:
    """Runs with a still proxy beside this one, those that have gradients."""
    folders = sorted(run.path.resolve().parent.glob(f"*/{IDENTITY}"))
    return [path.parent for path in folders if path.parent != run.path.resolve() and len(_parts(path.parent)) > 1]


def _identity(folder: Path) -> Mapping[str, Any]:
    try:
        identity = RunFolder(folder).read_json(IDENTITY)
    except InputError:  # damaged, and none of this run's business
        return {}
    return identity if isinstance(identity, dict) and identity.get("schedule") != "interleaved" else {}


def _facts(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in identity.items() if name not in _ONLY_THE_CHOICE}


def _parts(folder: Path) -> list[Path]:
    files = [*sorted((folder / outputs.FEATURES).glob("part-*")), folder / outputs.FIDELITY]
    return [path for path in files if path.suffix in (".parquet", ".sha256", ".json") and path.is_file()]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
