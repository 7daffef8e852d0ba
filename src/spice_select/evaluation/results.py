"""Finished results on disk, each under what decides it, so that nothing is computed twice."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.errors import InputError
from spice_select.store import json_sum, write_json


@dataclass(frozen=True)
class Kept:
    """A folder of results.

    Attributes:
        folder: where they lie: ``MODEL-HASH/WHAT-HASH.json``, each written whole or not at all.
    """

    folder: Path

    def path(self, model: str, what: str, identity: Mapping[str, Any]) -> Path:
        """The file of one result. `identity` is flat and JSON-ready: equal facts give an equal result."""
        return self.folder / _slug(model) / f"{_slug(what)}-{json_sum(identity)[:12]}.json"

    def read(self, model: str, what: str, identity: Mapping[str, Any]) -> Any:
        """A finished result, or None. A damaged or altered file counts as none: it is written over.

        Raises:
            InputError: what lies in its place cannot be read, so a result could not be kept there either.
        """
        path = self.path(model, what, identity)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror or error}). Move it away, or choose another folder with --out."
            ) from error
        if not isinstance(content, dict) or content.get("identity") != json.loads(json.dumps(identity)):
            return None
        result = content.get("result")
        recorded = content.get("result_sha256")  # older files have none
        return result if recorded in (None, json_sum(result)) else None

    def write(self, model: str, what: str, identity: Mapping[str, Any], result: Any) -> Path:
        """Keep a result. Raises InputError when the disk refuses."""
        path = self.path(model, what, identity)
        write_json(
            path,
            {
                "model": model,
                "what": what,
                "identity": identity,
                "result": result,
                "result_sha256": json_sum(json.loads(json.dumps(result))),  # as it is read back
            },
        )
        return path


def _slug(name: str) -> str:
    """The last part of a name, fit for a file name."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", Path(name).name or name).lstrip(".")[:60] or "model"
