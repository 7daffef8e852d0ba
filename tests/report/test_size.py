"""However many rows were chosen, the page stays small, and says what it shows of them."""

from pathlib import Path

import pytest

from spice_select.report import write_report
from spice_select.report.material import LISTED, POINTS, even_steps
from spice_select.run.finished import Run
from tests.report.large import grown

MEGABYTES = 1e6


def test_even_steps_take_all_or_some_with_both_ends() -> None:
    assert even_steps(5, 9).tolist() == [0, 1, 2, 3, 4]
    some = even_steps(100, 7)
    assert len(some) == 7
    assert (some[0], some[-1]) == (0, 99)


def test_a_page_of_a_hundred_thousand_picks_is_small_and_says_what_it_shows(run: Run, tmp_path: Path) -> None:
    page = write_report(grown(run, tmp_path / "large", 100_000, "<&>" * 200))
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_size < 10 * MEGABYTES
    assert f"{LISTED:,} of 100,000: the first {LISTED // 2:,} picks" in text
    assert f"{POINTS:,} of 100,000 picks are drawn, in even steps." in text


@pytest.mark.parametrize("picks", [1, 50])
def test_a_page_of_few_picks_shows_them_all(run: Run, tmp_path: Path, picks: int) -> None:
    text = write_report(grown(run, tmp_path / "few", picks, "words")).read_text(encoding="utf-8")
    assert "picks are drawn" not in text
    assert text.count("<summary>words</summary>") == picks


def test_rows_of_a_megabyte_are_cut(run: Run, tmp_path: Path) -> None:
    page = write_report(grown(run, tmp_path / "long", 12, "x" * 1_000_000))
    assert page.stat().st_size < 2 * MEGABYTES
    assert "(cut: 1,000," in page.read_text(encoding="utf-8")
