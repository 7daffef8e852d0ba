"""A file of JSON lines that is only ever appended to, by whoever has something to say."""

import json
import os
from pathlib import Path
from typing import Any

from spice_select.store.atomic import explained, make_folder


def add_line(path: Path, line: dict[str, Any]) -> None:
    """Add a line with one write, making folder and file. Raises InputError as `atomic`."""
    make_folder(path.parent)
    with explained(path), path.open("ab+") as file:
        torn = _is_torn(file)
        file.write((b"\n" if torn else b"") + json.dumps(line).encode() + b"\n")


def _is_torn(file: Any) -> bool:
    """Whether who wrote last was killed as he wrote, and left the beginning of a line."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines in order, torn ones left out; none where there is no such file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return [line for text in lines if (line := _parsed(text)) is not None]


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
