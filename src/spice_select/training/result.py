"""A finished training, read back from its folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.run.folder import IDENTITY, RunFolder
from spice_select.store import sha256

KIND = "training"
"""What the identity of a training's folder says it is, so that it is not taken for a selection's."""
MODEL = "model"
LOSS = "loss.jsonl"
CURVE = "loss.png"
LEFT_OUT = "left_out.jsonl"
CHECKPOINTS = "checkpoints"
LAST_GOOD = "last-good"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished training.

    Attributes:
        path: its folder: the model, the loss curve, the manifest.
        model: the folder of the adapter, or of the whole model, with its tokenizer.
        steps: optimiser steps made.
        tokens: tokens seen, prompts included and padding not.
        losses: loss of each step, the mean over its supervised tokens.
        seconds: time spent training, over all sessions.
        manifest: what was trained, on what, and how.
    """

    path: Path
    model: Path
    steps: int
    tokens: int
    losses: tuple[float, ...]
    seconds: float
    manifest: dict[str, Any]


def load_trained(path: str | Path) -> Trained:
    """Read a finished training back.

    Raises:
        InputError: the folder holds none, or it is unfinished; its losses are missing, or were altered since. Its
            model may be gone: comparisons leave none behind.
    """
    folder = RunFolder(Path(path))
    identity = folder.read_json(IDENTITY)
    if not isinstance(identity, dict) or identity.get("kind") != KIND:
        raise InputError(f"{path} is not the folder of a training. Give the folder that `spice train` named.")
    manifest = folder.manifest()
    if manifest is None:
        raise InputError(f"{path} is unfinished. Run the same `spice train` command again to resume it.")
    _refuse_damage(folder.path / LOSS, manifest["outputs"][LOSS])
    return Trained(
        path=folder.path,
        model=folder.path / MODEL,
        steps=manifest["steps"],
        tokens=manifest["tokens"],
        losses=read_losses(folder.path),
        seconds=manifest["seconds"]["training"],
        manifest=manifest,
    )


def _refuse_damage(losses: Path, due: str) -> None:
    if not losses.is_file() or sha256(losses) != due:
        fault = "was altered after the training" if losses.is_file() else "is missing"
        raise InputError(f"{losses} {fault}. Run the same `spice train` command again: it trains anew.")


def read_losses(folder: Path) -> tuple[float, ...]:
    """The loss of each step that is on record."""
    with (folder / LOSS).open(encoding="utf-8") as lines:
        return tuple(float(json.loads(line)["loss"]) for line in lines)
