"""The picture of a comparison."""

from spice_select.comparison.compared import compare_beds
from spice_select.comparison.figures import draw
from spice_select.comparison.records import arm_run_of
from tests.comparison.made import BED, raw, runs


def test_the_picture_names_every_arm_and_is_the_same_twice(tmp_path):
    records = [*runs(*BED), arm_run_of(raw("late", 0))]
    for name in ("one.svg", "two.svg"):
        draw(compare_beds(records), tmp_path / name)
    one, two = ((tmp_path / name).read_text() for name in ("one.svg", "two.svg"))
    assert one == two
    for name, *_ in BED[1:]:
        assert f"<!-- {name} (6 seeds) -->" in one
    assert "not shown, too few seeds: late" in one
