"""Which of a trainer's checkpoints can be resumed from."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from spice_select.errors import InputError

_PREFIX = "checkpoint-"
_STATE = "trainer_state.json"
_OPTIMISER = ("optimizer.pt", "scheduler.pt", "rng_state.pth")
"""What goes on beside the weights. transformers begins anew, without a word, where one is not there."""
_INDEX = "*.safetensors.index.json"


def newest_checkpoint(folder: Path) -> tuple[Path | None, int, tuple[str, ...]]:
    """The newest whole checkpoint and its step, or None and 0; those that are damaged are removed.

    The trainer writes `trainer_state.json` last, so a crash leaves none that can be read; a disk that lost what was
    written last, or a hand, may leave files that are short or missing.

    Returns:
        The checkpoint, its step, and what was wrong with those removed, a sentence each.

    Raises:
        InputError: one cannot be read, which is no damage: nothing is removed.
    """
    found = [(int(p.name.removeprefix(_PREFIX)), p) for p in folder.glob(f"{_PREFIX}*") if _number(p) is not None]
    removed: list[str] = []
    for step, path in sorted(found, reverse=True):
        fault = _fault(path, step)
        if fault is None:
            return path, step, tuple(removed)
        removed.append(f"{path.name} is damaged ({fault}) and was removed.")
        shutil.rmtree(path)
    return None, 0, tuple(removed)


def _number(path: Path) -> int | None:
    digits = path.name.removeprefix(_PREFIX)
    return int(digits) if digits.isdigit() else None


def _fault(path: Path, step: int) -> str | None:
    try:
        return next(_faults(path, step), None)
    except OSError as error:
        raise InputError(
            f"{error.filename or path}: the checkpoint cannot be read ({error.strerror or error}). Mend that and run "
            "the same command again, or pass --overwrite to train from the start."
        ) from error


def _faults(path: Path, step: int) -> Iterator[str]:
    if not _is_state_of(path / _STATE, step):
        yield f"its {_STATE} cannot be read"
    for name in _OPTIMISER:
        if not (path / name).is_file():
            yield f"its {name} is missing"
            continue
        with (path / name).open("rb") as stream:
            if not zipfile.is_zipfile(stream):  # as torch saves; its table of contents is at the end
                yield f"its {name} is damaged"
    weights = sorted(path.glob("*.safetensors"))
    if not weights:
        yield "its weights are missing"
    for file in weights:
        if not _is_whole(file):
            yield f"its {file.name} is damaged"
    for index in path.glob(_INDEX):
        if not _shards_of(index) <= {file.name for file in weights}:
            yield f"its {index.name} names weights that are missing"


def _is_state_of(path: Path, step: int) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["global_step"] == step)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def _is_whole(path: Path) -> bool:
    """Whether a file of weights is as long as it says it is."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt"):
            return True
    except SafetensorError:
        return False


def _shards_of(index: Path) -> set[str]:
    try:
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, LookupError, TypeError, AttributeError):
        return {"an index that cannot be read"}
