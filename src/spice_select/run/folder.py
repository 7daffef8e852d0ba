"""A run folder: what was asked, what came out, and enough beside it to resume, to replay and to check.

The folder's identity (settings, corpus, model, versions) is written first, the manifest last. A folder with a manifest
is finished; one without is resumed. A folder with another identity is refused, and says what differs.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from spice_select.data.plain import json_text
from spice_select.errors import InputError
from spice_select.executors.cluster.ledger import LEDGER
from spice_select.run.address import STORE
from spice_select.store import (
    hold,
    json_sum,
    make_folder,
    open_to_write,
    sha256,
    sweep,
    write_json,
    write_lines,
    write_text,
)

IDENTITY = "identity.json"
MANIFEST = "manifest.json"
LOCK = "run.lock"


@dataclass(frozen=True)
class RunFolder:
    """An open run folder, held by this process alone.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def finished(self) -> bool:
        """Whether every output is there and unaltered since the manifest was written."""
        try:
            manifest = self.manifest()
        except InputError:  # damaged: it is written again, from what is there
            return False
        return manifest is not None and all(
            (self.path / name).is_file() and sha256(self.path / name) == digest
            for name, digest in manifest.get("outputs", {}).items()
        )

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The facts that decide the run's result, read once. Raises InputError where there are none."""
        identity = _read_identity(self.path)
        if identity is None:
            raise _no_run(self.path)
        return identity

    def manifest(self) -> dict[str, Any] | None:
        """The manifest, or None while the run is unfinished. Raises InputError where it is not as it was written."""
        manifest = self.read_json(MANIFEST)
        if manifest is not None and not _as_written(manifest):
            raise _damaged(self.path / MANIFEST, "it was altered since it was written")
        return manifest

    def read_json(self, name: str) -> Any:
        """A JSON file of the run, or None where there is none yet."""
        return _read_json(self.path / name)

    def output(self, name: str) -> Path:
        """The path of an output of a finished run. Raises InputError where it is missing or was altered since."""
        path, sums = self.path / name, (self.manifest() or {}).get("outputs", {})
        if not path.is_file() or sha256(path) != sums.get(name):
            fault = "was altered after the run" if path.is_file() else "is missing"
            raise InputError(
                f"{path} {fault}, so what it holds is no longer what was chosen. Run the same `spice select` command "
                "again: it writes the file anew."
            )
        return path

    def write_text(self, name: str, text: str) -> None:
        """Write a text file; see `spice_select.store.write_text`."""
        write_text(self.path / name, text)

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file; see `spice_select.store.write_json`."""
        write_json(self.path / name, content)

    def write_lines(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Write strict JSON lines, one record each; what JSON cannot say as `spice_select.data.plain` writes it."""
        write_lines(self.path / name, map(json_text, records))

    def reopen(self) -> None:
        """Take the manifest down, which says that the run is finished, before anything of it is made again."""
        (self.path / MANIFEST).unlink(missing_ok=True)

    def finish(self, facts: Mapping[str, Any], outputs: Iterable[str]) -> None:
        """Write the manifest, the last file of a run, with the SHA-256 of every output and, at its end, its own."""
        manifest = {**facts, "outputs": {name: sha256(self.path / name) for name in outputs}}
        self.write_json(MANIFEST, {**manifest, _SUM: _sum_of(manifest)})


@contextlib.contextmanager
def open_run(
    path: Path, identity: Mapping[str, Any], *, overwrite: bool = False, reads: Iterable[str | Path | None] = ()
) -> Iterator[RunFolder]:
    """Open a run folder: a new one, or one of the same identity to resume.

    Args:
        path: the folder; made if absent.
        identity: flat, JSON-ready facts that determine the result.
        overwrite: throw away what another identity left there. Where that has computed nothing yet (it was refused by
            its model, say) it is thrown away in any case.
        reads: what the work is made from: files, folders, or names that are no paths. None of it is thrown away.

    Raises:
        InputError: the folder belongs to another run (the differences are listed), holds what is read, is something
            other than a run folder, is in use by another process, or cannot be written.
    """
    _refuse_foreign(path)
    if not (path / IDENTITY).is_file():
        _refuse_no_unicode(path)
    make_folder(path)
    lock = open_to_write(path / LOCK, "a")
    with lock:
        _acquire(lock, path)
        sweep(path)
        found = _read_identity(path)
        wanted = as_json(identity)
        if found is not None and found != wanted:
            if not overwrite and _holds_work(path):
                raise InputError(_differences(path, found, wanted))
            _refuse_loss(path, reads)
            _clear(path)
            found = None
        folder = RunFolder(path)
        if found is None:
            folder.write_json(IDENTITY, wanted)
        yield folder


def load_run(path: Path) -> RunFolder:
    """A finished run folder, to read. Raises InputError where there is none, it is unfinished or not a selection's."""
    folder = RunFolder(path)
    kind = folder.identity.get("kind")
    if kind is not None:
        raise InputError(f"{path} is the folder of a {kind}, not of a selection. {_INSTEAD.get(kind, _A_RUN)}")
    if folder.manifest() is None:
        raise InputError(f"{path} is unfinished. Run the same `spice select` command again to resume it.")
    return folder


_A_RUN = "Give the run that it was made from."
_INSTEAD = {
    "comparison": "Give one of the runs in it. If it is unfinished, the same `spice compare` command goes on with it."
}
"""What to give where the folder of another kind is given for a selection's."""


def _no_run(path: Path) -> InputError:
    return InputError(f"{path} is not a run folder (no {IDENTITY} in it). Give the folder that --out named.")


def _refuse_no_unicode(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path}: the name of the folder is no Unicode under this locale (LANG, LC_ALL), and tables could not be "
            "written there. Choose another --out, or a UTF-8 locale if the name is good there; nothing was written."
        ) from error


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file, not a folder. Choose another --out.")
    if path.is_dir() and not (path / IDENTITY).is_file():
        strangers = [entry.name for entry in path.iterdir() if entry.name != LOCK and not entry.name.endswith(".part")]
        if strangers:
            raise InputError(
                f"{path} holds files that are not of a run (e.g. {sorted(strangers)[0]!r}); nothing was written. "
                "Choose an empty or new folder with --out."
            )


def _refuse_loss(path: Path, reads: Iterable[str | Path | None]) -> None:
    """Refuse to clear a folder that holds what the work is made from: it would be gone before it is read."""
    for name in reads:
        place = Path(name or "").expanduser()
        if name and place.exists() and _passes_through(path, place):
            raise InputError(
                f"{path} holds {place}, which this reads, so it is not thrown away; nothing was written. Choose "
                "another folder with --out."
            )


def _passes_through(folder: Path, place: Path) -> bool:
    """Whether a place is the folder, lies in it, or is found by a link in it."""
    within = folder.resolve()
    ways = (place, *Path(os.path.abspath(place)).parents)  # a folder named on the way to `..` is not needed
    return any(way.resolve().is_relative_to(within) for way in ways)


def _acquire(lock: Any, path: Path) -> None:
    for tries_left in (2, 1, 0):
        if hold(lock) is not False:
            return  # None: a network file system without locks; parts are atomic, two writers only do the work twice
        if tries_left:
            time.sleep(0.1)  # a helper that looks whether the run is held holds it for an instant itself
    raise InputError(f"{path} is in use by another process. Wait for it to end, or choose another --out.")


def _differences(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    lines = [
        f"  - {name}: there {found.get(name)!r}, now {wanted.get(name)!r}"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]
    return (
        f"{path} was made by a run that differs from this one; nothing was written:\n"
        + "\n".join(lines)
        + "\nChoose another folder with --out, or pass --overwrite to throw that run away."
    )


def as_json(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity as it is read back from its file."""
    facts: dict[str, Any] = json.loads(json.dumps(identity))
    return facts


def _holds_work(path: Path) -> bool:
    """Whether there is anything that a run has not written before its first result."""
    return any(
        entry.is_file() and not any(entry.match(pattern) for pattern in _BEFORE_WORK) for entry in path.rglob("*")
    )


_BEFORE_WORK = (IDENTITY, LOCK, STORE, "config.yaml", "process-*.lock", "worker-*.log", LEDGER, "*.part")


def _clear(path: Path) -> None:
    # the identity goes last: if this is cut short, the folder is still known for a run
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == IDENTITY):
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            os.unlink(entry)


def _read_identity(path: Path) -> dict[str, Any] | None:
    """What a folder says that it is of; None where it has no such file. Raises InputError where that is damaged."""
    found = _read_json(path / IDENTITY)
    if (path / IDENTITY).is_file() and not isinstance(found, dict):
        raise _damaged(path / IDENTITY, "it holds no facts of a run")
    return cast(dict[str, Any] | None, found)


def _read_json(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, how: str) -> InputError:
    again = "Run the command that made this folder again: it is written anew."
    anew = "Pass another --out, or delete this folder to start anew."
    return InputError(f"{path} is damaged ({how}). {again if path.name == MANIFEST else anew}")


_SUM = "manifest_sha256"


def _as_written(manifest: Any) -> bool:
    """Whether it says what it said when it was written; of earlier days', which have no sum, whether it may."""
    if not isinstance(manifest, dict) or "outputs" not in manifest:
        return False
    own = _sum_of(manifest)
    return bool(manifest.get(_SUM, own) == own)


def _sum_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256 over all that a manifest says but this."""
    said = as_json({name: value for name, value in manifest.items() if name != _SUM})
    return json_sum(said)
