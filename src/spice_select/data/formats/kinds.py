"""What makes a row another thing than text to be learnt: images and the like, and answers beside better ones."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from spice_select.data.formats.base import RowError
from spice_select.data.formats.fields import Fields, says_nothing

_MEDIA = re.compile(
    r"(input_?)?(image|img|picture|photo|audio|wav|video)s?"
    r"(_?(path|file|url|uri|bytes|data|base64|b64|tensor|list)s?)?_?\d*"
    r"|pixel_values(_videos)?|input_features|multi_?modal_data|mm_data",
    re.IGNORECASE,
)
_REJECTED = re.compile(r"(.*_)?rejected(_(responses?|messages|answers?|completions?|outputs?|texts?|conversations?))?")


def holds_media(name: str, value: Any) -> bool:
    """Whether a field is an image, a sound or a film: by its name, and by holding something (a count is nothing)."""
    return names_media(name) and isinstance(value, str | bytes | list | tuple | Mapping) and not says_nothing(value)


@lru_cache(maxsize=4096)
def names_media(name: str) -> bool:
    """Whether a field, or a kind of part, is called an image, a sound or a film."""
    return isinstance(name, str) and _MEDIA.fullmatch(name) is not None


def refuse_media(fields: Fields, where: str) -> None:
    """Raise a `RowError` if a row, a turn or a part holds anything but text."""
    for name in fields:
        if holds_media(name, fields.peek(name)):
            detail = f"{where} holds {name!r}, which is no text; only text can be used"
            raise RowError("content-not-text", detail)


def rejected_field(raw: Mapping[str, Any]) -> str | None:
    """The field of a row that holds an answer to be told apart from a better one, as preference pairs have it."""
    return next((name for name, value in raw.items() if _is_rejected(name, value)), None)


def _is_rejected(name: str, value: Any) -> bool:
    named = isinstance(name, str) and _REJECTED.fullmatch(name.lower()) is not None
    return named and isinstance(value, str | list | tuple | Mapping) and not says_nothing(value)
