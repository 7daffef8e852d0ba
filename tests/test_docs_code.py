"""The code in the documentation: commands are read by the command line's own parser, Python is run on a tiny model.

A block of `sh` goes through a shell in which every program is a stand-in that only notes its arguments. A block of
`python` is run, after those above it on its page. What can be neither stands below ``<!-- not run: reason -->``; a
block without a language is something shown.
"""

import contextlib
import gzip
import importlib.util
import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docs import blocks

from spice_select.cli.main import read_command
from spice_select.models import load
from tests.conftest import make_sums

ROOT = blocks.ROOT
PAGES = [*blocks.pages(), *(ROOT / name for name in ("CONTRIBUTING.md", "examples/README.md"))]
_FENCE = re.compile(r"(?:^<!-- not run: (?P<mark>.+?) -->\n\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_PROGRAMS = ("spice", "make", "python", "pip", "pytest", "torchrun", "axolotl", "llamafactory-cli")
_KNOWN = {"sh", "python", ""}


@dataclass(frozen=True)
class Fence:
    """A fenced block of a page; `line` is that of its first line, counted from 1."""

    page: Path
    line: int
    language: str
    text: str
    mark: str | None

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(page: Path) -> list[Fence]:
    text = page.read_text(encoding="utf-8")
    return [
        Fence(page, text.count("\n", 0, found.start("text")) + 1, found["language"], found["text"], found["mark"])
        for found in _FENCE.finditer(text)
    ]


FENCES = [fence for page in PAGES for fence in fences(page)]
COMMANDS = [fence for fence in FENCES if fence.language == "sh" and fence.mark is None]


def test_every_block_has_a_language_that_is_tried_or_shows_no_code() -> None:
    assert {fence.language for fence in FENCES} <= _KNOWN
    shown = [fence for fence in FENCES if not fence.language]
    begins = re.compile(rf"^({'|'.join(_PROGRAMS)}|import|from) \S", re.MULTILINE)
    assert [fence.place for fence in shown if begins.search(fence.text)] == []
    starts = sum(len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in PAGES)
    assert starts == 2 * len(FENCES), "a fence that is not closed, or stands inside something"


def test_every_mark_belongs_to_a_block() -> None:
    marks = sum(len(re.findall(r"^<!-- not run: ", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in PAGES)
    assert marks == sum(fence.mark is not None for fence in FENCES)


@pytest.fixture(scope="session")
def workshop(tiny_proxy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages speak of, by their names there."""
    place = tmp_path_factory.mktemp("workshop")
    for name in ("Qwen2.5-0.5B", "Qwen2.5-7B"):
        (place / name).symlink_to(tiny_proxy)
    for number, name in enumerate(("train", "dev", "pool", "maths", "code", "gsm8k", "test")):
        write_rows(place / f"{name}.jsonl", make_sums(60 if name in ("train", "pool") else 8, seed=number))
    (place / "train.jsonl.gz").write_bytes(gzip.compress((place / "train.jsonl").read_bytes()))
    (place / "examples").mkdir()
    for name, count in (("instructions", 40), ("target", 8)):
        rows = (ROOT / "examples" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[:count]
        write_rows(place / "examples" / f"{name}.jsonl", [json.loads(row) for row in rows])
    return place


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def finished(workshop: Path, tiny_proxy: Path) -> Any:
    """A run of the workshop's, at the places that the pages call a run."""
    import spice_select

    runs = [
        spice_select.select(workshop / "train.jsonl", budget=0.2, model=str(tiny_proxy), out=workshop / "runs" / name)
        for name in ("x", "math")
    ]
    return runs[0]


def asked(block: str, folder: Path) -> list[list[str]]:
    """The commands that a shell makes of a block: each program's name and its arguments. Nothing is run."""
    noted = folder / "noted"
    noted.unlink(missing_ok=True)
    stand_ins = "\n".join(
        f"{name}() {{ printf '%s\\0' {name} \"$@\" >> {noted}; echo >> {noted}; }}" for name in _PROGRAMS
    )
    script = f'{stand_ins}\nwhich() {{ echo "$1"; }}\nPATH=\nset -e\n{block}'
    subprocess.run(["/bin/bash", "-c", script], cwd=folder, check=True, capture_output=True, text=True)
    return [line.rstrip("\0").split("\0") for line in noted.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("fence", COMMANDS, ids=lambda fence: fence.place)
def test_commands_are_such_as_the_program_takes(
    fence: Fence, workshop: Path, finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workshop)
    commands = asked(fence.text, workshop)
    assert commands
    for program, *arguments in commands:
        TRIED[program](arguments)


def spice_takes(arguments: list[str]) -> None:
    """Every flag exists and every value can be read; asking for help is as good."""
    try:
        assert callable(read_command(arguments))
    except SystemExit as end:
        assert end.code == 0, arguments  # noqa: PT017


def make_takes(targets: list[str]) -> None:
    known = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(targets) <= set(known)


def python_takes(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]), arguments
    else:
        assert (ROOT / arguments[0]).is_file(), arguments


def pip_takes(arguments: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert arguments[0] == "install"
    assert set(re.findall(r"\[([\w,]+)\]", " ".join(arguments))) <= set(extras)


def pytest_takes(arguments: list[str]) -> None:
    assert all((ROOT / path).exists() for path in arguments if not path.startswith("-"))


def torchrun_takes(arguments: list[str]) -> None:
    spice_takes(arguments[arguments.index("spice") + 1 :])


TRIED: dict[str, Callable[[list[str]], None]] = {
    "spice": spice_takes,
    "make": make_takes,
    "python": python_takes,
    "pip": pip_takes,
    "pytest": pytest_takes,
    "torchrun": torchrun_takes,
}


def test_a_command_that_is_wrong_is_found(tmp_path: Path) -> None:
    assert asked("for a in 1 2; do\n  spice show x$a  # a run\ndone\n", tmp_path) == [
        ["spice", "show", "x1"],
        ["spice", "show", "x2"],
    ]
    for wrong in (["select", "a.jsonl", "--bugdet", "3"], ["select", "a.jsonl", "--schedule", "daily"], ["chose"]):
        with pytest.raises(AssertionError):
            spice_takes(wrong)


PYTHON = {page: [fence for fence in fences(page) if fence.language == "python"] for page in PAGES}


@pytest.mark.parametrize("page", [page for page in PAGES if PYTHON[page]], ids=lambda page: str(page.relative_to(ROOT)))
def test_python_runs(
    page: Path, workshop: Path, finished: Any, tiny_proxy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workshop)
    monkeypatch.setattr(load, "embedded_model", lambda: tiny_proxy)
    names = presumed(finished, tiny_proxy)
    for fence in PYTHON[page]:
        code = compile("\n" * (fence.line - 1) + fence.text, str(page), "exec")
        if fence.mark is None:
            with without_what_is_not_installed(fence):
                exec(code, names)


def presumed(run: Any, tiny_proxy: Path) -> dict[str, Any]:
    """The names that pages use without making them."""
    import spice_select
    from spice_select.data.encoding import Encoder, encode_rows
    from spice_select.data.formats import detect_format
    from spice_select.data.sources import read_rows
    from spice_select.models import load_tokenizer

    rows, tokenizer = read_rows("train.jsonl"), load_tokenizer(tiny_proxy)
    vectors = np.random.default_rng(0).standard_normal((600, 16))
    return {
        "__name__": "page",
        "spice": spice_select,
        "spice_select": spice_select,
        "run": run,
        "vectors": vectors,
        "features": vectors,
        "tokenizer": tokenizer,
        "examples": encode_rows(rows, detect_format(rows), Encoder(tokenizer, max_length=512)).examples,
    }


@contextlib.contextmanager
def without_what_is_not_installed(fence: Fence) -> Iterator[None]:
    """A block that needs an extra which is not here skips the rest of its page, and says so."""
    from spice_select.errors import InputError

    try:
        yield
    except InputError as error:
        if "pip install" not in str(error):
            raise
        pytest.skip(f"{fence.place}: {error}")
