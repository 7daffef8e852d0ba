"""Today's date in chat templates, held to one day.

Two runs of the same corpus would differ, and a run that goes on after midnight would mix two days.
"""

from datetime import datetime

_DAY = datetime(2024, 7, 26)
_CODES = {f"%{letter}": _DAY.strftime(f"%{letter}") for letter in "aAbBcdHIjmMpSUwWxXyY"}
_CODES |= {f"%-{letter}": _CODES[f"%{letter}"].lstrip("0") or "0" for letter in "dHIjm"}
_REPLACED = "".join(f" | replace({code!r}, {shown!r})" for code, shown in _CODES.items())
_CLOCK = "strftime_now"
_MACRO = f"{{%- macro {_CLOCK}(form) -%}}{{{{ form{_REPLACED} }}}}{{%- endmacro +%}}"
"""In a template's own language: of what a renderer is given, transformers lets no function through."""


def fixed_names(template: str) -> dict[str, str]:
    """What a template is given beside the messages: the name that it reads the date from, where it does."""
    return {"date_string": _DAY.strftime("%d %b %Y")} if "date_string" in template else {}


def with_fixed_clock(template: str) -> str:
    """A template that asks the clock of transformers, with one that stands still; any other as it is."""
    return _MACRO + template if _CLOCK in template else template
