"""Records are read back, and what is none is named by its file."""

import json

import pytest

from spice_select.comparison.records import read_arm_runs
from spice_select.errors import InputError
from tests.comparison.made import raw


def test_records_are_read_back(tmp_path):
    for place, one in enumerate((raw("random", 0), raw("untuned", 0), raw("random", 1, bad=3))):
        folder = tmp_path / one["arm"]
        folder.mkdir(exist_ok=True)
        (folder / f"{place}.json").write_text(json.dumps(one | {"host": "not read"}))
    found = read_arm_runs(tmp_path)
    assert [(one.arm, one.seed, one.selection.bad) for one in found] == [
        ("random", 0, None),
        ("random", 1, 3),
        ("untuned", 0, None),
    ]
    assert found[0].held[0].sums.sum() == pytest.approx(sum(raw("random", 0)["held"]["sums"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one["held"]["sums"].pop(), "59"),
        (lambda one: one["held"]["sums"].__setitem__(3, float("nan")), "row 3 is not finite"),
        (lambda one: one["held"]["tokens"].__setitem__(7, 0), "row 7 has no supervised token"),
        (lambda one: one.pop("seed"), "'seed'"),
    ],
)
def test_a_record_that_is_none_is_named(tmp_path, change, message):
    one = raw("random", 0)
    change(one)
    (tmp_path / "one.json").write_text(json.dumps(one))
    with pytest.raises(InputError, match=rf"one\.json.*{message}"):
        read_arm_runs(tmp_path)


def test_a_folder_without_records_and_a_run_that_is_there_twice(tmp_path):
    with pytest.raises(InputError, match="holds no record"):
        read_arm_runs(tmp_path)
    for name in ("one", "other"):
        (tmp_path / f"{name}.json").write_text(json.dumps(raw("random", 0)))
    with pytest.raises(InputError, match=r"other\.json.*one\.json"):
        read_arm_runs(tmp_path)


def test_a_run_is_judged_on_several_sets_at_once(tmp_path):
    one, other = raw("random", 0, name="pool"), raw("random", 0, name="outside")
    one["held"] = [one["held"], other["held"] | {"task": True}]
    (tmp_path / "one.json").write_text(json.dumps(one | {"budget": 0.1, "flops": 2e12}))
    (found,) = read_arm_runs(tmp_path)
    assert [(held.name, held.task) for held in found.held] == [("pool", False), ("outside", True)]
    assert found.on("outside").task
    assert (found.budget, found.flops, found.seconds) == (0.1, 2e12, 31.0)
    (tmp_path / "one.json").write_text(json.dumps(one | {"held": [other["held"], other["held"]]}))
    with pytest.raises(InputError, match=r"one\.json.*\['outside', 'outside'\]"):
        read_arm_runs(tmp_path)
