"""Files and models named by a path are what they are by text, wherever a setting names one."""

from pathlib import Path

import pytest

from spice_select.comparison.settings import CompareSettings
from spice_select.errors import InputError
from spice_select.evaluation.settings import EvaluateSettings
from spice_select.run.settings import SelectSettings
from spice_select.settings.base import Group, Settings
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
