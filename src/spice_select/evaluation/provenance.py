"""A training's model is what training left, on the base that it was trained on: both are held against the record."""

import json
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.evaluation.settings import ModelSettings
from spice_select.evaluation.subjects import EMBEDDED, Subject
from spice_select.models.digests import file_digest
from spice_select.models.embedded import NAME as EMBEDDED_NAME
from spice_select.models.identify import identify_model
from spice_select.models.recorded import changed_since, read_record
from spice_select.run.folder import IDENTITY, MANIFEST, RunFolder

_TRAINED = "model"
"""Where a training's folder holds what it trained."""


def settings_for(name: str, settings: ModelSettings) -> ModelSettings:
    """The settings, with the embedded model as the base of an adapter that was trained on it.

    Its files lie in a cache, at another place on another machine.
    """
    if settings.base is not None:
        return settings
    recorded = _recorded(_adapter_folder(Path(name).expanduser()))
    if recorded is None or recorded.get("model") != EMBEDDED_NAME:
        return settings
    return settings.model_copy(update={"base": EMBEDDED})


def hold_to_record(subject: Subject, settings: ModelSettings) -> str | None:
    """Hold a model against what its training recorded.

    Args:
        subject: the model.
        settings: how it is opened.

    Returns:
        A sentence where the base differs and was given by name; None where nothing is to be said.

    Raises:
        InputError: the base that an adapter names is no longer what it was trained on; or the files of a training's
            folder were altered since.
    """
    _refuse_altered(Path(subject.name).expanduser())
    recorded = _recorded(subject.adapter) if subject.adapter else None
    if recorded is None:
        return None
    now = identify_model(subject.base, allow_pickle=settings.allow_pickle, **subject.access(settings))
    change = changed_since(now, recorded)
    if change is None:
        return None
    if settings.base is not None and settings.base != EMBEDDED:
        return f"Its base, as given, is not the one it was trained on; {change}."
    raise InputError(
        f"adapter {subject.adapter}: its base {now.name} is no longer the one it was trained on; {change}. Put the old "
        f"files back, or say that what is there now is meant: --base {subject.base or EMBEDDED}."
    )


def _adapter_folder(folder: Path) -> Path:
    return folder / _TRAINED if (folder / _TRAINED).is_dir() else folder


def _recorded(folder: Path) -> dict[str, Any] | None:
    """What was recorded of the base: beside the adapter, else by the training whose folder it lies in."""
    found = read_record(folder)
    if found is not None:
        return found
    identity = _json(folder.parent / IDENTITY) if folder.name == _TRAINED else None
    return identity if identity is not None and identity.get("kind") == "training" else None


def _refuse_altered(folder: Path) -> None:
    """A training's folder whose model is not what the manifest says it left."""
    if not _is_training(folder):
        return
    for name, recorded in (RunFolder(folder).manifest() or {}).get("outputs", {}).items():
        path = folder / name
        if not name.startswith(f"{_TRAINED}/") or name.endswith(".md"):
            continue
        now = file_digest(path).hex() if path.is_file() else None
        if now != recorded:
            fault = "is missing" if now is None else f"was altered since: SHA-256 {recorded} then, {now} now"
            raise InputError(
                f"{path} {fault}, so this is not the model that the training left. Put the old file back, or evaluate "
                f"what is there now by naming {folder / _TRAINED}."
            )


def _is_training(folder: Path) -> bool:
    """Whether it is a training's: a manifest.json or identity.json of other makes may say anything."""
    said = (_json(folder / IDENTITY), (_json(folder / MANIFEST) or {}).get("identity"))
    return any(isinstance(facts, dict) and facts.get("kind") == "training" for facts in said)


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
