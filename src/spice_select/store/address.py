"""A folder with an address, on this machine or in a bucket: whole objects are put, listed and read, nothing else.

An object store has no rename, and a stream that is broken off may commit what it wrote so far. So an object is put in
one call, from bytes that are all there; on a disk it is written aside and renamed.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.store.atomic import atomic, make_folder

PAUSES = (1.0, 5.0, 20.0)
"""Seconds before each further try of what a store did not do."""


@dataclass(frozen=True)
class Address:
    """A folder.

    Attributes:
        url: ``s3://bucket/folder``, ``gs://…``, ``memory://…``, any other scheme of fsspec's, or a path.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def put(self, name: str, content: bytes) -> None:
        """Put an object that is there whole or not at all; of several tries the last says what is wrong.

        Raises:
            InputError: the store refuses, or takes less than it was given.
        """
        system, path = self._system
        place = f"{path}/{name}"
        if _is_local(system):
            make_folder(Path(path))
            with atomic(Path(place)) as aside:
                aside.write_bytes(content)
            return
        with self._explained(f"put {name}"):
            for pause in (*PAUSES, None):
                try:
                    system.pipe_file(place, content)
                    arrived = _size(system, place)
                    if arrived == len(content):
                        return
                    raise OSError(f"of {len(content):,} bytes {arrived:,} arrived")
                except (PermissionError, FileNotFoundError):
                    raise
                except Exception:  # each store has errors of its own
                    if pause is None:
                        raise
                    time.sleep(pause)

    def read(self, name: str) -> bytes | None:
        """An object's bytes; None where there is none. Raises InputError where the store does not answer."""
        system, path = self._system
        with self._explained(f"read {name}"):
            try:
                content: bytes = system.cat_file(f"{path}/{name}")
            except FileNotFoundError:
                return None
            return content

    def open(self, name: str) -> Any:
        """An object, to read some of it. Raises InputError where the store does not answer, FileNotFoundError."""
        system, path = self._system
        with self._explained(f"open {name}"):
            try:
                return system.open(f"{path}/{name}", "rb")
            except FileNotFoundError as error:
                absent = error
        raise absent

    def sizes(self) -> dict[str, int]:
        """Bytes of every object by its name, as the store lists them now. Raises InputError where it does not."""
        system, path = self._system
        with self._explained("list it"):
            system.invalidate_cache()
            try:
                found = system.ls(path, detail=True)
            except FileNotFoundError:
                return {}
            return {one["name"].rpartition("/")[2]: one["size"] for one in found if one["type"] == "file"}

    @cached_property
    def _system(self) -> tuple[Any, str]:
        import fsspec

        try:
            system, path = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            scheme = self.url.partition("://")[0]
            remedy = f"pip install 'spice-select[{scheme}]'" if scheme in _EXTRAS else "Give a path, s3:// or gs://"
            raise InputError(f"--store {self.url}: {str(error).rstrip('.')}. {remedy}.") from error
        return system, path.rstrip("/")

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{self.url}: the store does not {what} ({type(error).__name__}: {error}). Look at its address, your "
                "rights there and the connection; the same command goes on with what is there."
            ) from error


_EXTRAS = ("s3", "gs")


def _is_local(system: Any) -> bool:
    return "file" in ((system.protocol,) if isinstance(system.protocol, str) else system.protocol)


def _size(system: Any, place: str) -> int:
    system.invalidate_cache()
    size: int = system.info(place)["size"]
    return size
