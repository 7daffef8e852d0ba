"""Run folders: resumed by their own, refused to others, never written over."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spice_select.errors import InputError
from spice_select.run.finished import load
from spice_select.run.folder import RunFolder, load_run, open_run
from spice_select.run.worker import same_identity

IDENTITY = {"budget": "10%", "corpus_sha256": "aa", "lora_targets": ["q"]}


def finish(path: Path) -> None:
    with open_run(path, IDENTITY) as run:
        run.write_text("selected.jsonl", "{}\n")
        run.finish({"seed": 0}, ["selected.jsonl"])


def test_a_run_is_finished_when_its_manifest_is_written(tmp_path: Path) -> None:
    with open_run(tmp_path / "r", IDENTITY) as run:
        assert not run.finished
        run.write_text("selected.jsonl", "{}\n")
        assert not run.finished
        run.finish({}, ["selected.jsonl"])
        assert run.finished


def test_the_same_identity_opens_the_folder_again(tmp_path: Path) -> None:
    finish(tmp_path / "r")
    with open_run(tmp_path / "r", IDENTITY) as run:
        assert run.finished


def test_an_output_altered_later_makes_the_run_unfinished(tmp_path: Path) -> None:
    finish(tmp_path / "r")
    (tmp_path / "r" / "selected.jsonl").write_text("{ }\n")
    with open_run(tmp_path / "r", IDENTITY) as run:
        assert not run.finished


@pytest.mark.parametrize(
    "altered", [{"parts": 3}, {"parts": "1"}, {"pards": 1}, {"outputs": {}}, {"manifest_sha256": "0" * 64}, None]
)
def test_a_manifest_that_says_something_else_than_it_did_is_damaged(
    tmp_path: Path, altered: dict[str, Any] | None
) -> None:
    with open_run(tmp_path / "r", IDENTITY) as run:
        run.write_text("selected.jsonl", "{}\n")
        run.finish({"parts": 1}, ["selected.jsonl"])
        manifest = run.manifest()
    assert manifest is not None
    (tmp_path / "r" / "manifest.json").write_text(json.dumps(altered and {**manifest, **altered}))
    if altered is None:
        assert not RunFolder(tmp_path / "r").finished  # `null` is no manifest
        return
    with pytest.raises(
        InputError, match=r"manifest.json is damaged .*altered.* Run the command that made this folder again"
    ):
        RunFolder(tmp_path / "r").manifest()
    with open_run(tmp_path / "r", IDENTITY) as run:
        assert not run.finished


def test_a_manifest_of_earlier_days_has_no_sum_of_its_own(tmp_path: Path) -> None:
    finish(tmp_path / "r")
    path = tmp_path / "r" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["manifest_sha256"]
    path.write_text(json.dumps(manifest))
    assert RunFolder(tmp_path / "r").finished


def test_another_identity_is_refused_and_the_differences_are_named(tmp_path: Path) -> None:
    finish(tmp_path / "r")
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    with (
        pytest.raises(InputError) as caught,
        open_run(tmp_path / "r", {**IDENTITY, "budget": "5%", "corpus_sha256": "bb"}),
    ):
        pass
    message = str(caught.value)
    assert "budget: there '10%', now '5%'" in message
    assert "corpus_sha256" in message
    assert "lora_targets" not in message
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}


def test_overwrite_throws_the_other_run_away(tmp_path: Path) -> None:
    finish(tmp_path / "r")
    with open_run(tmp_path / "r", {**IDENTITY, "budget": "5%"}, overwrite=True) as run:
        assert not run.finished
        assert not (run.path / "selected.jsonl").exists()


@pytest.mark.parametrize("way", ["r/model", "r/linked", "r/linked/weights", "linked/weights", "linked"])
def test_what_is_read_from_the_folder_or_by_a_link_in_it_is_not_thrown_away(tmp_path: Path, way: str) -> None:
    finish(tmp_path / "r")
    (tmp_path / "r" / "model").mkdir()
    (tmp_path / "r" / "model" / "weights").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "weights").touch()
    (tmp_path / "r" / "linked").symlink_to(tmp_path / "elsewhere")  # the link would go, though not what it leads to
    (tmp_path / "linked").symlink_to(tmp_path / "r" / "model")
    changed, read = {**IDENTITY, "budget": "5%"}, tmp_path / way
    with (
        pytest.raises(InputError, match="which this reads"),
        open_run(tmp_path / "r", changed, overwrite=True, reads=[read]),
    ):
        pass
    assert read.exists()
    beside = [None, "", "owner/name", tmp_path / "elsewhere", tmp_path / "r" / ".." / "elsewhere" / "weights"]
    with open_run(tmp_path / "r", changed, overwrite=True, reads=beside) as run:
        assert not (run.path / "model").exists()


def test_a_run_that_has_computed_nothing_gives_way_without_being_asked(tmp_path: Path) -> None:
    """Refused by its model, say: the mended command may use the same folder."""
    with open_run(tmp_path / "r", IDENTITY) as run:
        run.write_text("config.yaml", "corpus: x")
        (run.path / "gradients").mkdir()
        (run.path / "gradients" / "process-0.lock").touch()
    changed = {**IDENTITY, "budget": "5%"}
    with open_run(tmp_path / "r", changed) as run:
        assert run.read_json("identity.json") == changed
        assert not (run.path / "config.yaml").exists()
    (tmp_path / "r" / "gradients").mkdir()
    (tmp_path / "r" / "gradients" / "part-00000.parquet").touch()
    with pytest.raises(InputError, match="--overwrite"), open_run(tmp_path / "r", IDENTITY):
        pass


def test_a_run_that_has_computed_nothing_keeps_what_a_person_put_there(tmp_path: Path) -> None:
    with open_run(tmp_path / "r", IDENTITY):
        pass
    (tmp_path / "r" / "notes.md").write_text("mine")
    with pytest.raises(InputError, match="--overwrite"), open_run(tmp_path / "r", {**IDENTITY, "budget": "5%"}):
        pass
    assert (tmp_path / "r" / "notes.md").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.tex"), open_run(tmp_path, IDENTITY, overwrite=True):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("")
    with pytest.raises(InputError, match="is a file"), open_run(tmp_path / "r", IDENTITY):
        pass


@pytest.mark.parametrize("content", ["{", "[1]", "null", '"facts"'])
def test_a_damaged_identity_is_explained(tmp_path: Path, content: str) -> None:
    finish(tmp_path / "r")
    (tmp_path / "r" / "identity.json").write_text(content)
    with pytest.raises(InputError, match=r"identity\.json is damaged"), open_run(tmp_path / "r", IDENTITY):
        pass
    with pytest.raises(InputError, match=r"identity\.json is damaged"):
        load_run(tmp_path / "r")
    with pytest.raises(InputError, match=r"identity\.json is damaged"):
        same_identity(tmp_path / "r", IDENTITY)


def test_a_name_that_tables_cannot_have_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no Unicode .* Choose another --out"), open_run(tmp_path / "u\udcf1", {}):
        pass
    assert not list(tmp_path.iterdir())


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    script = (
        "import sys, json; from pathlib import Path; from spice_select.run.folder import open_run\n"
        "from spice_select.errors import InputError\n"
        "try:\n with open_run(Path(sys.argv[1]), json.loads(sys.argv[2])): pass\n"
        "except InputError as error: print(error); sys.exit(2)\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "r"), json.dumps(IDENTITY)]
    with open_run(tmp_path / "r", IDENTITY):
        inside = subprocess.run(arguments, capture_output=True, text=True)
    after = subprocess.run(arguments, capture_output=True, text=True)
    assert (inside.returncode, after.returncode) == (2, 0)
    assert "in use by another process" in inside.stdout


def test_reading_an_unfinished_run_says_how_to_go_on(tmp_path: Path) -> None:
    with open_run(tmp_path / "r", IDENTITY):
        pass
    with pytest.raises(InputError, match="resume"):
        load_run(tmp_path / "r")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("comparison", r"of a comparison, not of a selection\. Give one of the runs in it\..*same `spice compare`"),
        ("training", r"of a training, not of a selection\. Give the run that it was made from\."),
    ],
)
def test_a_folder_of_another_kind_is_named_as_such_though_it_has_no_manifest(
    tmp_path: Path, kind: str, words: str
) -> None:
    with open_run(tmp_path / "r", {"kind": kind, **IDENTITY}):
        pass
    with pytest.raises(InputError, match=words):
        load(tmp_path / "r")


def test_reading_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        load_run(tmp_path)
