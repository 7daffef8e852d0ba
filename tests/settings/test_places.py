"""Files and models named by a path are what they are by text, wherever a setting names one."""

import os
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

import spice_select as spice
from spice_select.comparison.settings import CompareSettings
from spice_select.errors import InputError
from spice_select.evaluation.settings import EvaluateSettings
from spice_select.run.settings import SelectSettings
from spice_select.settings.base import Group, Settings
from spice_select.settings.places import place_text
from spice_select.training.settings import TrainSettings

OF_ONE = [
    (SelectSettings, "model"),
    (SelectSettings, "adapter"),
    (SelectSettings, "store"),
    (TrainSettings, "model"),
    (EvaluateSettings, "base"),
    (CompareSettings, "model"),
    (CompareSettings, "held_out"),
]
OF_SEVERAL = [
    (SelectSettings, "target"),
    (CompareSettings, "target"),
    (CompareSettings, "outside"),
    (CompareSettings, "gold"),
]


@pytest.mark.parametrize(("kind", "name"), OF_ONE)
def test_a_path_is_as_good_as_its_text(kind: type[Settings] | type[Group], name: str) -> None:
    by_path, by_text = (kind.from_flat({name: given}).flat() for given in (Path("some/place"), "some/place"))
    assert by_path == by_text
    assert by_path[name] == "some/place"
    with pytest.raises(InputError, match=name):
        kind.from_flat({name: 3})


@pytest.mark.parametrize(("kind", "name"), OF_SEVERAL)
@pytest.mark.parametrize("given", [Path("one"), "one", [Path("one")], ("one",)])
def test_one_place_is_as_good_as_a_list_of_it(kind: type[Settings], name: str, given: object) -> None:
    assert kind.from_flat({name: given}).flat()[name] == ["one"]


@pytest.mark.parametrize(("kind", "name"), [*OF_ONE, *OF_SEVERAL])
def test_an_empty_name_is_refused(kind: type[Settings] | type[Group], name: str) -> None:
    """It is what a shell makes of a variable that is not set, and would count as none given."""
    with pytest.raises(InputError, match=f"{name} = '': string should have at least 1 character"):
        kind.from_flat({name: ""})


ROWS = {"prompt": "Why?", "completion": "So."}


@pytest.mark.parametrize("given", [[ROWS], ROWS, np.arange(3), Dataset.from_list([ROWS]), b"rows.jsonl", None])
def test_rows_in_memory_are_no_place(given: object) -> None:
    for verb in (spice.select, spice.compare, spice.headroom, spice.load, spice.evaluate, spice.train):
        with pytest.raises(InputError, match=r"was given, which is no path\. Give "):
            verb(given)  # type: ignore[operator]
    for kind, name in OF_SEVERAL:
        with pytest.raises(InputError, match=r"was given, which is no path\. Give .* JSON Lines file first"):
            kind.from_flat({name: given})


def test_files_may_come_one_at_a_time() -> None:
    for given in ((Path(name) for name in "ab"), {1: "a", 2: "b"}.values(), deque("ab"), np.array(["a", "b"])):
        assert SelectSettings.from_flat({"target": given}).target.target == ("a", "b")


def test_an_entry_of_a_folder_is_its_path(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").touch()
    with os.scandir(tmp_path) as entries:
        assert [place_text(entry) for entry in entries] == [str(tmp_path / "rows.jsonl")]


def test_what_is_no_path_is_shown() -> None:
    with pytest.raises(InputError, match="5 was given"):
        SelectSettings.from_flat({"target": 5})
