"""Templates filled in: every value is made inert and escaped, whoever wrote the template."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from spice_select.data.printable import printable
from spice_select.report.page.texts import inert

_OWN = Path(__file__).parent / "templates"


class Templates:
    """The templates of the page itself (``figure.html``, ``grid.html``) and those of a folder.

    Args:
        folder: where the templates of a page's sections lie.
    """

    def __init__(self, folder: Path = _OWN) -> None:
        self._environment = Environment(
            loader=FileSystemLoader([_OWN, folder]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_made_inert,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["data"] = as_data
        self._environment.filters["ticked"] = ticked

    def fill(self, name: str, **values: Any) -> Markup:
        """A template with its values. What is not `Markup` is text, and stays text."""
        return Markup(self._environment.get_template(name).render(**values))


def as_data(value: Any) -> Markup:
    """A value as JSON that can stand in a script element of a page: no text in it ends the element, or is run."""
    text = json.dumps(inert(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def ticked(text: str) -> Markup:
    """A sentence in which what stands between backticks is code."""
    parts = printable(text).split("`")
    if len(parts) % 2 == 0:  # one is left over: it is no pair's
        return escape(printable(text))
    return Markup("").join(Markup("<code>{}</code>").format(p) if odd % 2 else escape(p) for odd, p in enumerate(parts))


def _made_inert(value: Any) -> Any:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
