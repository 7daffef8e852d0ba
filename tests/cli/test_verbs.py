"""The table of verbs: all of them have help that teaches, and none is loaded before it is asked for."""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from spice_select.cli.verbs import VERBS, Verb
from spice_select.methods import METHODS
from spice_select.recipes import recipes

CLI = Path(inspect.getfile(Verb)).parent
HELPERS = {"__init__", "main", "verbs", "display", "interrupts", "pace", "streams", "printable"}
verbs = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.key)


def function_of(verb: Verb):
    return verb.load()(None) if verb.name == "select" else verb.load()


def test_every_file_of_a_verb_is_in_the_table() -> None:
    files = {path.stem for path in CLI.glob("*.py")} - HELPERS
    assert files == {verb.where.split(":")[0] for verb in VERBS}


def explanations_of(verb: Verb) -> dict[str, str]:
    """Argument or setting → what is said of it, in docstring or annotation, or where the setting is declared."""
    function = function_of(verb)
    told = dict(re.findall(r"^ +(\w+): (.+)$", inspect.getdoc(function).partition("Args:")[2], re.MULTILINE))
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if isinstance(parameter.default, BaseModel):
            found |= dict(settings_of(parameter.default))
        else:
            notes = getattr(parameter.annotation, "__metadata__", ())
            found[name] = told.get(name) or "".join(getattr(note, "help", None) or "" for note in notes)
    return found


def settings_of(group: BaseModel) -> Iterator[tuple[str, str]]:
    for name, field in type(group).model_fields.items():
        if isinstance(getattr(group, name), BaseModel):
            yield from settings_of(getattr(group, name))
        else:
            yield name, field.description or ""


@verbs
def test_help_begins_with_the_summary_and_explains_every_argument(spice, monkeypatch, verb: Verb) -> None:
    said = help_of(spice, monkeypatch, verb.name)
    assert verb.summary in said
    for name, explanation in explanations_of(verb).items():
        assert len(explanation) > 10, name
        assert explanation.split(". ")[0].rstrip(".") in said, name


def help_of(spice, monkeypatch: pytest.MonkeyPatch, name: str) -> str:
    """Its text, without boxes and line ends."""
    monkeypatch.setenv("COLUMNS", "80")  # one column of boxes
    code, out, err = spice(*name.split(), "--help")
    assert (code, err) == (0, "")
    return " ".join(" ".join(line.strip("│ ") for line in out.splitlines()).split())


@verbs
def test_the_table_says_of_a_verb_what_its_own_docstring_says(verb: Verb) -> None:
    text = " ".join(inspect.getdoc(function_of(verb)).split("\n\n")[0].split())
    assert text == verb.summary


@verbs
def test_a_verb_has_a_page_that_names_it_and_examples_of_itself(verb: Verb) -> None:
    page = (Path(__file__).parents[2] / "docs" / verb.page).read_text(encoding="utf-8")
    assert f"spice {verb.name}" in page
    assert verb.examples
    assert all(command.startswith(f"spice {verb.name}") for command, _ in verb.examples)


def test_help_of_the_command_lists_every_verb_with_its_summary_and_examples(spice) -> None:
    code, out, _ = spice("--help")
    assert code == 0
    assert spice()[1] == out
    for verb in VERBS:
        assert verb.key in out
        assert verb.summary.split(":")[0] in " ".join(line.strip("│ ") for line in out.splitlines())
        assert all(command in out and what in out for command, what in verb.examples)


def test_help_of_select_shows_the_methods_with_their_summaries(spice, monkeypatch: pytest.MonkeyPatch) -> None:
    said = help_of(spice, monkeypatch, "select")
    assert f"--method{{{','.join(METHODS.names)}}}" in said.replace(" ", "")  # the names fill more than a line
    assert METHODS.described() in said


HEAVY = ("torch", "transformers", "datasets", "peft", "pyarrow")
NEEDLESS = (*HEAVY, "numpy", "pydantic", "spice_select.selection", "spice_select.run.settings")
WITHOUT_SETTINGS = ("worker", "recipes", "show", "explain", "report", "suspects", "export")
"""Verbs whose help shows no settings of a run."""


@pytest.mark.parametrize(
    ("arguments", "light"),
    [
        *(([argument], NEEDLESS) for argument in ("--help", "--version", "recipes")),
        *(([*verb.name.split(), "--help"], NEEDLESS if verb.name in WITHOUT_SETTINGS else HEAVY) for verb in VERBS),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_asking_for_help_loads_no_heavy_library(arguments: list[str], light: tuple[str, ...]) -> None:
    program = (
        "import sys\nfrom spice_select.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"print('LOADED', [name for name in {light} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("check", "features", "runs/x"), "`spice check features RUN` is now `spice check run RUN`."),
        (("check-features", "runs/x"), "`spice check features RUN` is now `spice check run RUN`."),
        (("select", "--picker", "random"), "`--picker random` is now `--method random`."),
        (("select", "x.jsonl", "--picker=top-norm"), "`--picker top-norm` is now `--method top-norm`."),
        (("select", "x.jsonl", "--picker"), "`--picker NAME` is now `--method NAME`."),
    ],
)
def test_a_command_that_was_renamed_is_told_in_one_sentence(spice, arguments: tuple[str, ...], sentence: str) -> None:
    code, out, err = spice(*arguments)
    assert (code, out) == (2, "")
    assert err == f"error: {sentence}\n"


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_first_of_two_words_says_what_begins_with_it(spice, flag: str) -> None:
    code, out, err = spice("check", flag)
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line.startswith("spice")] == [
        "spice check model --help",
        "spice check run --help",
    ]


@pytest.mark.parametrize("empty", [("--out", ""), ("--out=",)])
def test_an_empty_folder_is_not_the_one_a_person_is_in(spice, tmp_path, monkeypatch, empty: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pool.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 2)
    code, _, err = spice("select", "pool.jsonl", "--method", "random", "--budget", "1", *empty)
    assert code == 2
    assert "--out is empty" in err
    assert [file.name for file in tmp_path.iterdir()] == ["pool.jsonl"]


@pytest.mark.parametrize("asked", [("select", "", "--method", "random"), ("show", ""), ("select", "a.jsonl", "")])
def test_a_file_of_no_name_is_not_the_folder_a_person_is_in(spice, asked: tuple[str, ...]) -> None:
    code, _, err = spice(*asked)
    assert code == 2
    assert "is empty" in err


def test_a_second_config_is_refused(spice, tmp_path) -> None:
    code, _, err = spice("select", "a.jsonl", "--config", tmp_path / "none.yaml", "--config=spice")
    assert code == 2
    assert "settings are taken from one file" in " ".join(err.split())


def test_recipes_are_listed_with_their_purpose_and_place(spice) -> None:
    code, out, _ = spice("recipes")
    said = " ".join(out.split())
    assert code == 0
    for recipe in recipes():
        assert f"{recipe.name} {recipe.purpose}" in said
    assert str(recipes()[0].path.parent) in out


def test_config_belongs_to_select_alone(spice) -> None:
    code, out, err = spice("show", "runs/x", "--config", "spice")
    assert code == 2
    assert "--config" in out + err
