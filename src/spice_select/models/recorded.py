"""A model that is found again by its path, held against what was recorded of it: a path says nothing of content."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.models.identify import ModelIdentity

BASE = "base.json"
"""Where an adapter's folder says which model it was trained on."""


def record_of(identity: ModelIdentity, place: str) -> dict[str, str]:
    """What is written down of a model, under the names that a run's identity has for it.

    Args:
        identity: the model.
        place: where it was: an absolute path, or its hub id.
    """
    return {
        "model": identity.name,
        "path": place,
        "model_weights_sha256": identity.weights_hash,
        "model_files_sha256": identity.files_hash,
        "model_commit": identity.revision,
    }


def record_of_run(facts: Mapping[str, Any], place: str) -> dict[str, str]:
    """The same of a run's proxy, by what the run's identity says of it."""
    names = ("model", "model_weights_sha256", "model_files_sha256", "model_commit")
    return {name: str(facts[name]) for name in names} | {"path": place}


def lasting_name(name: str) -> str:
    """A model by what it is called from any folder: its whole path where it lies here, else as it is called."""
    path = Path(name).expanduser()
    return str(path.resolve()) if path.exists() else name


def changed_since(identity: ModelIdentity, recorded: Mapping[str, Any]) -> str | None:
    """How a model differs from what was recorded of it, as the end of a sentence; None where it does not.

    Args:
        identity: the model as it is now.
        recorded: ``model_weights_sha256``, ``model_files_sha256``, ``model_commit``, as far as they are known: of a
            run, a training, or `record_of`. What stands behind a ``+``, or beside a commit, is the sum of
            an adapter on the model.
    """
    then, then_adapter = _split(recorded.get("model_weights_sha256"), recorded.get("model_commit"))
    now, now_adapter = _split(identity.weights_hash, identity.revision)
    pairs = (
        ("weights", "SHA-256", then, now),
        ("adapter", "SHA-256", then_adapter, now_adapter or then_adapter),  # a base alone says nothing of adapters
        ("configuration or tokenizer files", "SHA-256", recorded.get("model_files_sha256"), identity.files_hash),
        ("revision", "commit", recorded.get("model_commit"), identity.revision),
    )
    changes = [
        f"its {what} changed: {kind} {old} then, {new} now" for what, kind, old, new in pairs if old and new != old
    ]
    return "; ".join(changes) or None


def _split(weights: Any, commit: Any) -> tuple[str, str]:
    """The sum of a base, and that of an adapter on it. A base from the hub has a commit and no sum."""
    base, _, adapter = str(weights or "").partition("+")
    return ("", adapter or base) if commit else (base, adapter)


def write_record(folder: Path, record: Mapping[str, str]) -> None:
    """Write down, in an adapter's folder, which model it was trained on."""
    (folder / BASE).write_text(json.dumps(dict(record), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_record(folder: Path) -> dict[str, Any] | None:
    """What an adapter's folder says of its base, or None. Raises InputError where it is damaged."""
    path = folder / BASE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{path}: not JSON ({error}). Delete it if you know which model the adapter is for."
        ) from error
    return content if isinstance(content, dict) else None
