"""What the tables show of rows and models is text: none of it is markup, or reaches the terminal as a command."""

import inspect
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from spice_select import cli
from spice_select.cli.tables.plain import plain_text

SOURCES = sorted(Path(inspect.getfile(cli)).parent.rglob("*.py"))


def test_text_of_unknown_origin_is_no_markup_and_no_command() -> None:
    said = io.StringIO()
    Console(file=said, force_terminal=True).print(
        f"[bold]{plain_text('[red]a' + chr(27) + '[2Jb')}[/]", highlight=False
    )
    assert "[red]a␛[2Jb" in said.getvalue()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_verb_escapes_markup_alone(path: Path) -> None:
    if path.stem != "plain":
        assert not re.search(r"import escape\b", path.read_text(encoding="utf-8"))
