"""JSON lines and JSON arrays."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spice_select.data.json_texts import JSON_DECODER, RepeatedFieldError, decoded
from spice_select.data.sources.bytes import Content, decode
from spice_select.data.sources.wrappers import is_wrapper, wrapped
from spice_select.errors import InputError

_ENDLESS = f"a whole number of more than {sys.get_int_max_str_digits()} digits."  # the one other fault of json.loads
_ONE_ROW = "the file is one row: write it on one line (jq -c .)."
_OBJECT = "If it is one row, write it on one line (jq -c .); if it holds none, move the file elsewhere."
_BETWEEN = re.compile(r"[\s,]*")


def read_jsonl(content: Content) -> Iterator[tuple[dict[str, Any], str]]:
    """One JSON object a line; blank lines are skipped. A whole JSON array under this name is read as one."""
    path = content.path
    if _first_lines(content)[:1] == ["["]:
        text = decode(path, content.whole())
        if _parsed(text) is not None:
            yield from _array(path, _whole(path, text))
            return
    # lines end at \n alone: JSON strings may hold U+2028 and other characters that are line ends elsewhere
    for number, line in enumerate(content.lines("\n"), start=1):
        if line.strip():
            yield _object(path, number, line.removesuffix("\n")), f":{number}"


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = decoded(line)
    except json.JSONDecodeError as error:
        told = (known := _remedy(line)) and f"{known}Mend or delete the line."
        raise InputError(
            f"{path}:{number}: broken JSON: {_fault(error)} {error.colno}: {_excerpt(line, error.pos)}. "
            f"{told or _after_object(line, error) or 'Mend or delete the line.'}"
        ) from error
    except RecursionError as error:
        raise InputError(f"{path}:{number}: JSON nested too deeply. Mend or delete the line.") from error
    except RepeatedFieldError as error:
        raise InputError(f"{path}:{number}: {error} Mend or delete the line.") from error
    except ValueError as error:
        raise InputError(f"{path}:{number}: {_ENDLESS} Mend or delete the line.") from error
    if not isinstance(value, dict):
        raise InputError(
            f"{path}:{number}: the line is {_kind(value)}, not a JSON object ({{...}}). "
            f"Each line has to be one row with named fields.{_named(value, 'jq -c')}"
        )
    return value


def _after_object(line: str, error: json.JSONDecodeError) -> str:
    """What to do where a whole object is followed by more, "" where none is."""
    rest = line[error.pos :].strip() if error.msg == "Extra data" else ""
    if rest == ",":
        return "Take the comma off the end of each line, or put brackets around them all and name the file .json."
    if rest.lstrip(", ").startswith("{"):
        return "The line holds several objects: put each on a line of its own, without commas between them."
    return ""


def read_json(content: Content) -> Iterator[tuple[dict[str, Any], str]]:
    """A JSON array of objects, which is held in memory; JSON lines under this name are read as such."""
    first = _first_lines(content)
    if first[:1] == ["{"] and _parsed(first[1]) is not None and (len(first) > 2 or not is_wrapper(_parsed(first[1]))):
        yield from read_jsonl(content)
        return
    yield from _array(content.path, _whole(content.path, decode(content.path, content.whole())))


def _first_lines(content: Content) -> list[str]:
    """The first character that is no white space, the line that it begins, and the next line that is not blank."""
    found = list[str]()
    for line in content.lines("\n"):
        if line.strip():
            found += [line.lstrip()] if found else [line.lstrip()[0], line.lstrip()]
        if len(found) > 2:
            break
    return found


def _whole(path: Path, text: str) -> Any:
    """The value of a whole file."""
    try:
        return decoded(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}: broken JSON: {_fault(error)} {error.colno}: "
            f"{_excerpt(text, error.pos)}. {_remedy(text)}Mend the file."
        ) from error
    except RecursionError as error:
        raise InputError(f"{path}: JSON nested too deeply. Mend the file.") from error
    except RepeatedFieldError as error:
        raise InputError(f"{path}{_place_of_twice(text)}: {error} Mend the file.") from error
    except ValueError as error:
        raise InputError(f"{path}: {_ENDLESS} Mend the file.") from error


def _place_of_twice(text: str) -> str:
    """`[5]` for the first element of an array that names a field twice, "" for what is no array."""
    position, number = len(text) - len(text.lstrip()) + 1, 0
    while text.lstrip().startswith("["):
        position = _BETWEEN.match(text, position).end()  # type: ignore[union-attr]  # it matches nothing, too
        try:
            position = JSON_DECODER.raw_decode(text, position)[1]
        except ValueError:
            return f"[{number}]"
        number += 1
    return ""


def _array(path: Path, value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    if not isinstance(value, list):
        other = "Write the rows as an array, or move the file elsewhere if it holds none."
        remedy = (wrapped(value, _ONE_ROW) or _OBJECT) if isinstance(value, dict) else other
        raise InputError(f"{path}: the file is {_kind(value)}, not a JSON array of rows. {remedy}")
    for number, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise InputError(
                f"{path}: element {number} of the array is {_kind(row)}, not an object with fields."
                f"{_named(row, 'jq -c .[] FILE | jq -c')}"
            )
        yield row, f"[{number - 1}]"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _named(value: Any, command: str) -> str:
    """How to name a list of turns that stands where a row should, "" for anything else; begins with a space."""
    turns = isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value)
    return f" If the lists are conversations, name them ({command} '{{messages: .}}')." if turns else ""


def _fault(error: json.JSONDecodeError) -> str:
    return f"{error.msg.removesuffix(' at')} at column"  # some of Python's messages end in "at" already


def _remedy(text: str) -> str:
    """What stands where JSON should, if it is known by its first characters; ends in a space."""
    start = text.lstrip()[:200]
    if start.startswith("\ufeff"):
        return "A byte-order mark stands in front of it, as where files were joined: take it off. "
    if start.lower().startswith(("<!doctype", "<html")):
        return "It is a web page, as where a download was answered by one: fetch the file again. "
    first, end, more = text.partition("\r")
    if end and more.strip() and _parsed(first) is not None:
        return "Its lines end with \\r alone, as on old Macs: end them with \\n (tr '\\r' '\\n'). "
    if re.match(r"[\[{]\s*[{]?\s*'", start):
        return "Its strings stand in single quotes, as Python prints them: write it with json.dumps. "
    return ""


def _excerpt(text: str, position: int) -> str:
    return repr(text[max(0, position - 20) : position + 20])
