"""The page in a browser: silent console, no request, search and sort by keyboard, planted scripts do nothing."""

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

import spice_select
from spice_select.report import write_report
from spice_select.run.finished import Run
from tests.report import hostile
from tests.report.conftest import written
from tests.report.large import grown

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: no page is tried in a browser")
from tests.report.browser import CHROMIUM, DRIVER, browsing, console, opened, requested  # noqa: E402

pytestmark = pytest.mark.skipif(
    not (CHROMIUM.is_file() and DRIVER.is_file()), reason="chromium is not installed: no page is tried in a browser"
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory):
    with browsing(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def test_a_page_opens_without_a_complaint_or_a_request(driver, run: Run) -> None:
    page = run.path / "report.html"
    console(driver), requested(driver)
    opened(driver, page)
    assert console(driver) == []
    assert set(requested(driver)) == {page.resolve().as_uri()}
    figures = driver.execute_script("return document.querySelectorAll('figure').length")
    assert figures == driver.execute_script("return document.querySelectorAll('.plot svg').length") >= 6


def test_the_policy_refuses_what_is_not_part_of_the_page(driver, run: Run) -> None:
    opened(driver, run.path / "report.html")
    driver.execute_script(
        "const [one, two] = ['script', 'img'].map((name) => document.createElement(name));"
        "one.textContent = 'window.harmed = 1'; two.src = 'https://example.org/x.png'; document.body.append(one, two);"
    )
    assert driver.execute_script("return window.harmed") is None
    assert any("Content Security Policy" in line for line in console(driver))


def test_rows_are_searched_and_sorted_by_keyboard(driver, run: Run) -> None:
    opened(driver, run.path / "report.html")
    table = driver.find_element("css selector", "#chosen-rows")
    search = table.find_element("css selector", "input")
    row = int(run.row_numbers[4])
    words = run.rows[4]["messages"][0]["content"]
    search.send_keys(words)
    shown = [one for one in table.find_elements("css selector", "tbody tr") if one.is_displayed()]
    assert str(row) in [one.find_elements("css selector", "td")[0].text for one in shown]
    assert len(shown) < 12
    assert "found among 12" in table.find_element("css selector", "[role=status]").text
    search.clear()
    search.send_keys(" ")
    header = table.find_elements("css selector", "thead button")[1]
    header.send_keys("\n")
    assert _column(table) == sorted(run.row_numbers.tolist())
    header.send_keys("\n")
    assert _column(table) == sorted(run.row_numbers.tolist(), reverse=True)
    assert table.find_elements("css selector", "th[aria-sort=descending]")


def _column(table) -> list[int]:
    return [
        int(one.find_elements("css selector", "td")[0].text) for one in table.find_elements("css selector", "tbody tr")
    ]


def test_planted_scripts_do_nothing(driver, tmp_path: Path) -> None:
    corpus = written(tmp_path / "train.jsonl", hostile.rows())
    made = spice_select.select(corpus, out=tmp_path / "run", method="longest", budget=12)
    console(driver), requested(driver)
    opened(driver, made.path / "report.html")
    assert driver.execute_script("return window.harmed") is None
    assert console(driver) == []
    assert len(set(requested(driver))) == 1
    assert "49" not in driver.execute_script("return document.querySelector('#chosen-rows tbody').textContent")


def test_a_page_of_a_hundred_thousand_picks_opens_at_once(driver, run: Run, tmp_path: Path) -> None:
    page = write_report(grown(run, tmp_path / "large", 100_000, "What is one and one? " * 40))
    driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    opened(driver, page)
    spent = {one["name"]: one["value"] for one in driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    assert spent["TaskDuration"] < 30, (
        "seconds of the processor; some 1.5 on a free machine, several times that on a crowded one"
    )
    assert console(driver) == []
    shown = driver.execute_script("return document.querySelectorAll('#chosen-rows tbody tr:not([hidden])').length")
    assert shown == 25


def test_headings_are_in_order_and_every_table_has_a_caption(driver, run: Run) -> None:
    opened(driver, run.path / "report.html")
    levels = driver.execute_script("return [...document.querySelectorAll('h1,h2,h3,h4')].map((one) => one.tagName[1])")
    assert levels[0] == "1"
    assert levels.count("1") == 1
    assert all(int(after) - int(before) <= 1 for before, after in itertools.pairwise(levels))
    bare = "return [...document.querySelectorAll('main table')].filter((one) => !one.caption).length"
    assert driver.execute_script(bare) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_mend(driver, run: Run, scheme: str, tmp_path: Path) -> None:
    source = _axe(tmp_path)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    opened(driver, run.path / "report.html")
    driver.execute_cdp_cmd("Runtime.evaluate", {"expression": source})
    found = driver.execute_async_script("const done = arguments[0]; axe.run().then((one) => done(one.violations));")
    told = [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found]
    assert told == []


def _axe(folder: Path) -> str:
    """axe-core from npm, where that is there: a tool of the tests, no part of this package."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: accessibility is not checked by axe-core")
    command = ["npm", "install", "--no-save", "--ignore-scripts", "--prefix", str(folder), "axe-core@4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"axe-core cannot be had from npm, so accessibility is not checked by it: {done.stderr[-200:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
