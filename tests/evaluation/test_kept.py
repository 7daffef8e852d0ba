"""Results on disk: each under what decides it, whole or absent."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from spice_select.errors import InputError
from spice_select.evaluation.results import Kept


def test_a_result_is_found_under_its_own_identity_alone(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.write("a/model", "task", {"weights": "1", "limit": None}, {"score": 0.5})
    assert kept.read("a/model", "task", {"limit": None, "weights": "1"}) == {"score": 0.5}
    assert kept.read("a/model", "task", {"weights": "2", "limit": None}) is None
    assert kept.read("a/model", "other", {"weights": "1", "limit": None}) is None


def test_a_file_that_was_renamed_answers_no_other_question(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    written = kept.write("model", "task", {"weights": "1"}, 1)
    shutil.copy(written, kept.path("model", "task", {"weights": "2"}))
    assert kept.read("model", "task", {"weights": "2"}) is None


@pytest.mark.parametrize("content", ["", "[1]", '{"identity": {"weights": "1"}', "\x00"])
def test_a_damaged_file_counts_as_absent(tmp_path: Path, content: str) -> None:
    kept = Kept(tmp_path)
    kept.write("model", "task", {"weights": "1"}, 1).write_text(content)
    assert kept.read("model", "task", {"weights": "1"}) is None
    kept.write("model", "task", {"weights": "1"}, 2)
    assert kept.read("model", "task", {"weights": "1"}) == 2


@pytest.mark.parametrize("result", [[], {"sums": [1.5]}, {"sums": [1.5, 2.0], "rows": [0, 1]}, "x"])
def test_an_altered_result_counts_as_absent(tmp_path: Path, result: Any) -> None:
    """Its numbers would stand in tables as computed, or end the evaluation that reads them."""
    kept, identity = Kept(tmp_path), {"weights": "1"}
    file = kept.write("model", "task", identity, {"rows": [0, 1], "sums": [1.5, 2.5], "by": {1: "one"}})
    assert kept.read("model", "task", identity) == {"rows": [0, 1], "sums": [1.5, 2.5], "by": {"1": "one"}}
    file.write_text(json.dumps({**json.loads(file.read_text()), "result": result}))
    assert kept.read("model", "task", identity) is None


def test_two_models_of_one_folder_name_are_told_apart_by_content(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.write("x/model", "task", {"weights": "1"}, 1)
    kept.write("y/model", "task", {"weights": "2"}, 2)
    assert kept.read("y/model", "task", {"weights": "2"}) == 2
    assert kept.read("x/model", "task", {"weights": "1"}) == 1


def test_names_with_odd_characters_stay_in_the_folder(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for name in ("..", "../../etc", "a b:c*", "/"):
        path = kept.write(name, "x/../y", {}, 1)
        assert path.resolve().is_relative_to(tmp_path.resolve())


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        Kept(tmp_path / "file").write("model", "task", {}, 1)


def test_a_folder_in_the_place_of_a_result_is_told_before_it_is_computed(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.path("model", "task", {}).mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be read"):
        kept.read("model", "task", {})
    with pytest.raises(InputError, match="A folder is in the way"):
        kept.write("model", "task", {}, 1)
