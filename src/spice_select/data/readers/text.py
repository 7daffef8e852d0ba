"""JSON lines and JSON arrays."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spice_select.data.readers.bytes import decode
from spice_select.errors import InputError

_ENDLESS = f"a whole number of more than {sys.get_int_max_str_digits()} digits."  # the one other fault of json.loads


def read_jsonl(path: Path, data: bytes) -> Iterator[tuple[dict[str, Any], str]]:
    """One JSON object a line; blank lines are skipped. A whole JSON array under this name is read as one."""
    text = decode(path, data)
    if text.lstrip().startswith("[") and _parsed(text) is not None:
        yield from _array(path, _parsed(text))
        return
    # not str.splitlines: JSON strings may hold U+2028 and other characters which that takes for line ends
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _object(path, number, line), f"{path.name}:{number}"


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{number}: broken JSON: {_fault(error)} {error.colno}: {_excerpt(line, error.pos)}. "
            "Mend or delete the line."
        ) from error
    except RecursionError as error:
        raise InputError(f"{path}:{number}: JSON nested too deeply. Mend or delete the line.") from error
    except ValueError as error:
        raise InputError(f"{path}:{number}: {_ENDLESS} Mend or delete the line.") from error
    if not isinstance(value, dict):
        raise InputError(
            f"{path}:{number}: the line is {_kind(value)}, not a JSON object ({{...}}). "
            "Each line has to be one row with named fields."
        )
    return value


def read_json(path: Path, data: bytes) -> Iterator[tuple[dict[str, Any], str]]:
    """A JSON array of objects; JSON lines under this name are read as such."""
    text = decode(path, data)
    start = text.lstrip()
    if start.startswith("{") and _parsed(start.split("\n", 1)[0]) is not None and not _wrapper(_parsed(text)):
        yield from read_jsonl(path, data)
        return
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}: broken JSON: {_fault(error)} {error.colno}: "
            f"{_excerpt(text, error.pos)}. Mend the file."
        ) from error
    except RecursionError as error:
        raise InputError(f"{path}: JSON nested too deeply. Mend the file.") from error
    except ValueError as error:
        raise InputError(f"{path}: {_ENDLESS} Mend the file.") from error
    yield from _array(path, value)


def _wrapper(value: Any) -> bool:
    """Whether this is an object around the rows, {"data": [{…}, …]}, and not itself a row."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((name, inside),) = value.items()
    return (
        name not in ("messages", "conversations")
        and isinstance(inside, list)
        and any(isinstance(item, dict) for item in inside)
    )


def _array(path: Path, value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    if not isinstance(value, list):
        lists = [key for key, item in value.items() if isinstance(item, list)] if isinstance(value, dict) else []
        hint = f" Its field {lists[0]!r} holds a list: write that alone to a file." if lists else ""
        raise InputError(f"{path}: the file is {_kind(value)}, not a JSON array of rows.{hint}")
    for number, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise InputError(f"{path}: element {number} of the array is {_kind(row)}, not an object with fields.")
        yield row, f"{path.name}[{number - 1}]"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _fault(error: json.JSONDecodeError) -> str:
    return f"{error.msg.removesuffix(' at')} at column"  # some of Python's messages end in "at" already


def _excerpt(text: str, position: int) -> str:
    return repr(text[max(0, position - 20) : position + 20])
