"""Explanations of rows as a person reads them, or a program."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from spice_select.data.plain import json_text
from spice_select.data.printable import printable
from spice_select.run.explaining import Explainer
from spice_select.run.explanation import Explanation

_COLOURS = {"chosen": "bold green", "rejected": "bold yellow", "dropped": "bold red"}
_SHOWN = 160  # characters of a row's text


def print_explanations(console: Console, explainer: Explainer, found: Sequence[Explanation]) -> None:
    """Print each row's place and first words, the sentences, and the first words of the rows that these name."""
    if isinstance(explainer.corpus, str):
        _line(console, f"Texts and places of rows that were not chosen are not shown: {explainer.corpus}", "dim")
    if not found:
        _line(console, "No row to explain: nothing says which of the rejected rows came next.", "dim")
    for one in found:
        where = f"  {one.where}" if one.where else ""
        source = f"  {one.source}" if one.source else ""
        console.print()
        _line(console, f"row {one.row}{where}{source}  {one.sha256[:12]}", "bold")
        _line(console, _short(one.text), "dim")
        first, *rest = one.sentences
        _line(console, first, _COLOURS[one.verdict], indent=2)
        for sentence in rest:
            _line(console, sentence, indent=2)
        for name, text in _named(one):
            _line(console, f"{name}: {_short(text)}", "dim", indent=4)


def print_json_lines(found: Sequence[Explanation]) -> None:
    """Print a JSON object a line. ASCII: nothing in it can steer a terminal."""
    for one in found:
        print(json_text(one.to_json(), ascii_only=True))


def _named(one: Explanation) -> list[tuple[str, str]]:
    """What the rows say that the sentences name, each once."""
    names = {("row" if other.rank else "target row", other.row): other.text for other in one.others if other.text}
    return [(f"{kind} {row}", text) for (kind, row), text in names.items()]


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[: _SHOWN - 1]}…"


def _line(console: Console, text: str, style: str = "", *, indent: int = 0) -> None:
    """A line of its own, whatever breaks the text has; nothing for none."""
    if text:
        console.print(Padding(Text(printable(" ".join(text.split())), style=style), (0, 0, 0, indent), expand=False))
