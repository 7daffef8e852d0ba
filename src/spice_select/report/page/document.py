"""A page in one file: what it says, its style, its scripts, and the policy that lets nothing else in."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup

from spice_select.report.page.figure import PlotFigure
from spice_select.report.page.templating import Templates

_ASSETS = Path(__file__).parent / "assets"
_EARLY = 'document.documentElement.classList.add("scripted");'
"""Run before anything is laid out: the style may then count on the scripts at the end."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page.

    Attributes:
        name: its anchor.
        title: its heading.
        body: what it says, its figures in their places.
        figures: those that stand in `body`.
    """

    name: str
    title: str
    body: Markup
    figures: Sequence[PlotFigure] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page.

    Attributes:
        title: its heading.
        subtitle: a line below it.
        lead: what a person reads who has a minute.
        sections: the rest, in order.
        footer: a line at the end.
    """

    title: str
    subtitle: str
    lead: Markup
    sections: Sequence[Section]
    footer: str


def written_by(version: str, *places: Path) -> str:
    """The line at the end of a page: who wrote it, and from which folders."""
    whence = f" from {', '.join(str(place.resolve()) for place in places)}" if places else ""
    return f"Written by spice-select {version}{whence}. The page holds all it shows and asks nothing of any network."


def page_html(page: Page) -> str:
    """The whole page as HTML: text without any surrogate, which UTF-8 can write."""
    style, script = _asset("page.css"), _asset("page.js")
    scripts = [script, *([drawing_script()] if any(section.figures for section in page.sections) else [])]
    return str(
        Templates().fill(
            "page.html",
            page=page,
            policy=policy([_EARLY, *scripts], [style]),
            style=Markup(style),
            early=Markup(_EARLY),
            scripts=[Markup(one) for one in reversed(scripts)],
        )
    )


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """The Content-Security-Policy of a page that holds these scripts and styles, and images in itself, and no more."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_source, scripts))}",
            f"style-src {' '.join(map(_source, styles))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def drawing_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script of some 900 kB. The first call takes seconds: it is put together."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
