"""The documentation says what the code says: made blocks are fresh, what is named exists, lines fit the screen."""

import importlib
import inspect
import itertools
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from docs import blocks

from spice_select.cli.verbs import VERBS
from spice_select.data.formats import FORMATS
from spice_select.diagnosis.suspects import SUSPECTS
from spice_select.methods import METHODS
from spice_select.recipes import recipes
from spice_select.run.settings import SelectSettings
from tests.conftest import make_sums

ROOT = blocks.ROOT
PAGES = [*blocks.pages(), *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"))]
each = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@each
def test_what_is_made_from_the_code_is_fresh(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert blocks.made(text) == text, "stale: run `python docs/blocks.py`"


def test_every_block_is_shown_somewhere() -> None:
    shown = {name for page in PAGES for name in re.findall(r"<!-- made: (.+?) -->", page.read_text(encoding="utf-8"))}
    assert shown == set(blocks.BLOCKS)


@each
def test_no_line_is_longer_than_120_characters(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [(number, line) for number, line in enumerate(lines, 1) if len(line) > blocks.WIDTH] == []


@each
def test_no_wrapped_line_is_taken_for_an_item_of_a_list(page: Path) -> None:
    """Some readers of Markdown begin a list wherever a line begins with a number and a point, or a dash."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^ +(?:\d+\.|-) .*", text, re.MULTILINE) == []


def test_every_folder_says_what_it_is_for() -> None:
    for room in blocks.rooms():
        assert len(blocks.purpose(room)) > 30, f"{room.name}: a sentence is wanted at the head of its docstring"


def test_the_blocks_have_every_verb_method_recipe_and_table() -> None:
    said = {name: " ".join(make().split()) for name, make in blocks.BLOCKS.items()}
    assert all(" ".join(command.split()) in said["commands"] for verb in VERBS for command, _ in verb.examples)
    assert all(
        f"`{method.name}`**: {method.summary}. Source: {method.source}." in said["methods"] for method in METHODS
    )
    assert all(f"`{recipe.name}`" in said["recipes"] for recipe in recipes())
    assert {name for _, name, _ in blocks.tables()} >= {"METHODS", "FEATURES", "OBJECTIVES"}


@each
def test_links_lead_to_files(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


@each
def test_files_that_are_named_exist(page: Path) -> None:
    """In the package, in a room of it, or in the repository; ``x.py`` stands for yours."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|c|yaml|md|jsonl))`", text):
        if Path(name).stem == "x" or name in MADE_BY_A_RUN or name.startswith("runs/") or "log" in page.parts:
            continue
        places = (ROOT, blocks.PACKAGE, *(room for room in blocks.PACKAGE.rglob("*") if room.is_dir()))
        assert any((place / name).is_file() for place in places), name


MADE_BY_A_RUN = {"proxy/steps.jsonl", "target/rows.jsonl"}


@each
def test_modules_and_names_that_are_named_exist(page: Path) -> None:
    for name in set(re.findall(r"\bspice_select(?:\.\w+)+", page.read_text(encoding="utf-8"))):
        assert resolved(name), name


def resolved(name: str) -> bool:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        try:
            for part in parts[end:]:
                found = getattr(found, part)
        except AttributeError:
            return False
        return True
    return False


@each
def test_flags_of_select_that_are_named_exist(page: Path) -> None:
    """In commands that begin with `spice select`."""
    known = {f"--{name.replace('_', '-')}" for name in SelectSettings().flat()} | {"--config", "--out", "--overwrite"}
    known |= {"--help"}
    for command in re.findall(r"spice select [^`|#\n]*", page.read_text(encoding="utf-8")):
        assert set(re.findall(r"--[a-z-]+", command)) <= known, command


def test_verbs_that_are_named_exist() -> None:
    names = {verb.name for verb in VERBS} | {"VERB"}
    for page in PAGES:
        for words in re.findall(r"[`\n]spice (\w+(?: \w+)?)", page.read_text(encoding="utf-8")):
            assert words.split()[0] in {name.split()[0] for name in names}, (page, words)
            if words.startswith("check"):
                assert words in names | {"check"}, (page, words)


def first_column(page: str, header: str) -> list[str]:
    """What stands in backticks in the first cells of the table under that header; calls by their name."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(header)) + 2
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    return [re.match(r"\| `([^`(]+)", row)[1] for row in rows]


def implementations(package: str, base: str) -> set[str]:
    """Names of the classes of a package that are subclasses of one of its own, those left abstract aside."""
    module = importlib.import_module(package)
    of = getattr(module, base)
    return {
        name
        for path in Path(module.__file__).parent.glob("*.py")
        for name, found in vars(importlib.import_module(f"{package}.{path.stem}")).items()
        if isinstance(found, type) and issubclass(found, of) and not inspect.isabstract(found) and name[0] != "_"
    }


@pytest.mark.parametrize(
    ("header", "package", "base"),
    [
        ("| objective |", "spice_select.selection.objectives", "Objective"),
        ("| penalty |", "spice_select.selection.penalties", "Penalty"),
    ],
)
def test_the_tables_of_objectives_and_penalties_have_them_all(header: str, package: str, base: str) -> None:
    assert set(first_column("selection.md", header)) == implementations(package, base)


def test_the_table_of_sketches_has_every_file_of_one() -> None:
    files = {path.stem for path in (blocks.PACKAGE / "sketch").glob("*.py")} - {"__init__", "base", "randomness"}
    named = {name.lower() for name in first_column("gradients.md", "| sketch | cost")}
    assert named == {name.replace("_", "") for name in files}


def test_the_table_of_formats_has_every_format() -> None:
    assert sorted(first_column("data.md", "| name | fields |")) == sorted(known.name for known in FORMATS)


def test_the_table_of_suspects_has_every_kind() -> None:
    assert sorted(first_column("suspects.md", "| kind | lists")) == sorted(SUSPECTS.names)


def test_the_table_of_exports_has_every_choice(spice) -> None:
    choices = re.search(r"--to \{([^}]+)\}", spice("export", "--help")[1])[1]
    assert sorted(first_column("export.md", "| `--to` |")) == sorted(choices.split(","))


@pytest.mark.pages
def test_a_run_leaves_what_the_documentation_lists(spice, corpus, tiny_proxy: Path, tmp_path: Path) -> None:
    listed = {name.rstrip("/") for name, _ in blocks.RUN_FILES}
    target = tmp_path / "target.jsonl"
    target.write_text("".join(json.dumps(row) + "\n" for row in make_sums(8, seed=5)))
    small = ("--budget", "8", "--model", tiny_proxy, "--sketch-dim", "32", "--device", "cpu")
    path, found = corpus(make_sums(40)), {}
    for name, flags in {
        "moving": ("--schedule", "interleaved", "--pool-size", "20", "--target", target),
        "random": ("--method", "random"),
    }.items():
        asked = small if name == "moving" else small[:4]
        code, _, err = spice("select", path, "--out", tmp_path / name, *asked, *flags)
        assert (code, err) == (0, "")
        found[name] = {file.name for file in (tmp_path / name).iterdir()} - {"run.lock"}
    assert found["moving"] == listed
    assert found["random"] == listed - {"gradients", "proxy", "target"}
    assert json.loads((tmp_path / "random" / "summary.json").read_text())["judged"] is None
    page = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    told = re.search(r"(\*\*`selection.parquet`.*?)(Where gradients were taken.*?)whoever", page, re.DOTALL)
    always, measured = told.groups()
    columns = {name: pq.read_schema(tmp_path / name / "selection.parquet").names for name in found}
    assert set(columns["random"]) == set(re.findall(r"`(\w+)`", always))
    assert set(columns["moving"]) - set(columns["random"]) == set(re.findall(r"`(\w+)`", measured))
