"""Which of a trainer's checkpoints can be resumed from."""

import json
import shutil
from pathlib import Path

_PREFIX = "checkpoint-"
_STATE = "trainer_state.json"


def newest_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """The newest whole checkpoint and its step, or None and 0; those that a crash cut short are removed.

    The trainer writes `trainer_state.json` last, so a checkpoint is whole if that file can be read.
    """
    found = [(int(p.name.removeprefix(_PREFIX)), p) for p in folder.glob(f"{_PREFIX}*") if _number(p) is not None]
    for step, path in sorted(found, reverse=True):
        if _is_whole(path, step):
            return path, step
        shutil.rmtree(path)
    return None, 0


def _number(path: Path) -> int | None:
    digits = path.name.removeprefix(_PREFIX)
    return int(digits) if digits.isdigit() else None


def _is_whole(path: Path, step: int) -> bool:
    try:
        return json.loads((path / _STATE).read_text(encoding="utf-8"))["global_step"] == step
    except (OSError, ValueError, KeyError, TypeError):
        return False
