"""The figures of a comparison."""

import pytest

from spice_select.comparison import judge
from spice_select.comparison.compared import compare_beds
from spice_select.comparison.page.curves import budget_figures, cost_figures
from spice_select.comparison.page.verdicts import verdict_figure, verdict_figures
from spice_select.comparison.records import arm_run_of
from spice_select.comparison.terms import Terms
from spice_select.report.page import write_images
from tests.comparison.made import BED, raw, runs
from tests.comparison.test_ruling import ARMS, on_sets


def test_the_figure_shows_every_arm_and_names_those_it_cannot():
    records = [*runs(*BED), arm_run_of(raw("late", 0))]
    figure = verdict_figure(compare_beds(records)[0])
    shown = {row["arm"] for row in figure.rows}
    assert shown == {f"{name} (6 seeds)" for name, *_ in BED[1:]}
    assert figure.note == "Not shown, too few seeds: late."
    assert all(name in figure.words for name, *_ in BED)
    assert "good (6 seeds)" in figure.svg()


def test_what_is_drawn_is_what_was_found():
    compared = compare_beds(runs(*BED))[0]
    figure = verdict_figure(compared)
    for arm in compared.arms:
        records = [row for row in figure.rows if row["arm"] == f"{arm.arm} (6 seeds)"]
        assert [row["mean"] for row in records if row["kind"] == "seed"] == list(arm.by_seed)
        own = next(row for row in records if row["kind"] == "own")
        assert (own["low"], own["high"]) == arm.difference.interval()
        assert own["word"] == arm.verdict.word


def test_the_figures_are_svg_and_png(tmp_path):
    records = on_sets({"outside": 1}, *ARMS) + on_sets({"outside": 1}, *ARMS, budget=0.2)[1:]
    ruling = judge(records)
    figures = [*verdict_figures(ruling), *cost_figures(ruling), *budget_figures(ruling)]
    assert [one.name for one in figures] == ["verdicts-1", "verdicts-2", "costs-1", "costs-2", "budgets-1"]
    written = write_images(figures, tmp_path)
    assert {path.suffix for path in written} == {".svg", ".png"}
    assert "good" in (tmp_path / "costs-1.svg").read_text()
    assert (tmp_path / "budgets-1.png").read_bytes().startswith(b"\x89PNG")
    one_budget = judge(on_sets({"outside": 1}, *ARMS))
    assert [one.name for one in [*verdict_figures(one_budget), *cost_figures(one_budget)]] == ["verdicts", "costs"]
    assert not budget_figures(one_budget)


@pytest.mark.parametrize("equal", ["supervised tokens", "rows"])
def test_the_budget_is_a_share_of_what_was_given_and_bars_are_the_interval(equal):
    records = on_sets({"outside": 1}, *ARMS) + on_sets({"outside": 1}, *ARMS, budget=0.2)[1:]
    ruling = judge(records, Terms(equal=equal))
    (figure,) = budget_figures(ruling)
    assert f"of the pool's {equal}; bars are as wide as the 95 % interval" in figure.words
    assert f"% of the pool's {equal}" in figure.svg()
    low, high = ruling.primaries[0].compared.arms[0].difference.interval()
    (first, *_) = (
        row for row in cost_figures(ruling)[0].rows if row["arm"] == ruling.primaries[0].compared.arms[0].arm
    )
    assert first["high"] - first["low"] == pytest.approx(high - low)
