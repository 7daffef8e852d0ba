"""The page of a run: what it says, and that it is one file which is the same each time."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from spice_select.cli.main import read_command
from spice_select.comparison.arms import contenders_of, refuse_contenders
from spice_select.comparison.settings import CompareSettings
from spice_select.export.stage import export_run
from spice_select.report import write_report
from spice_select.report.sections.verdict import as_arm, comparing
from spice_select.run.explaining import Explainer
from spice_select.run.finished import Run
from spice_select.run.settings import SelectSettings

ROW = r"<tr>\s*<th[^>]*>[^<]*</th>\s*<td class=\"number\" data-key=\"(\d+)\">"


def text_of(run: Run) -> str:
    return (run.path / "report.html").read_text(encoding="utf-8")


def test_every_run_ends_with_its_page_and_writing_it_again_gives_the_same(run: Run, draw: Run) -> None:
    for one in (run, draw):
        before = text_of(one)
        write_report(one)
        assert text_of(one) == before


def test_the_verdict_says_what_was_asked_and_chosen(run: Run, draw: Run) -> None:
    assert "12 of 40 usable rows by --method information, for the rows of dev.jsonl" in text_of(run)
    assert "random picks" in text_of(run)
    assert re.search(r"spice compare \S+train.jsonl --target \S+dev.jsonl --methods information", text_of(run))
    assert re.search(r"--methods information --budget 12 --model \S+ .*--sketch-dim 32 --train", text_of(run))
    assert "<code>spice compare</code> compares other choices with --method random" in text_of(draw)
    assert "takes no gradients, so nothing here says how its picks" in text_of(draw)


def test_the_command_that_compares_is_of_the_choice_that_was_made() -> None:
    looped = {"method": "lead", "schedule": "interleaved", "pool_size": 20, "budget": "5%", "seed": 3, "model": "m"}
    arm = "lead:schedule=interleaved:pool_size=20"
    assert as_arm(SelectSettings.from_flat(looped), pairs=False) == arm
    for pairs in (False, True):
        usual = SelectSettings.from_flat({"method": "spice", "alpha": 2}).settled(pairs=pairs)
        assert as_arm(usual, pairs=pairs) == "spice:alpha=2.0", "what is settled by the rows is not named"


CHOICES = (
    {"method": "information", "alpha": 2, "select_device": "cuda:1"},
    {"method": "information", "select_mode": "certified", "objective": "log-det", "candidates": 2},
    {"method": "spice", "target": ("dev.jsonl",), "conflict_weight": 0.2},
    {"method": "lead", "schedule": "interleaved", "pool_size": 20},
    {"method": "random", "per_source_max": 0.4},
    {"method": "longest", "max_length": 256},
)


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice["method"])
def test_the_command_that_compares_is_one_that_compare_takes(choice: dict[str, Any]) -> None:
    asked = SelectSettings.from_flat({"budget": "5%", **choice})
    said, line = comparing(asked, "train.jsonl", pairs=False)
    assert said.startswith("Find out")
    read = read_command(shlex.split(line)[1:]).keywords
    settings = CompareSettings(**{name: read[name] for name in CompareSettings.model_fields})
    contenders = contenders_of(settings)
    refuse_contenders(contenders, settings)
    target = next(iter(asked.target.target), None)
    made = contenders[-1].asks(settings, seed=0, budget="5%", target=target)
    assert made.changed() == {name: value for name, value in asked.changed().items() if name != "select_device"}


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({"method": "random"}, "compares other choices with --method random"),
        ({"method": "full"}, "compares other choices with --method full"),
        ({"without_suspects": ("mismatched",)}, "leaves them out"),
        ({"without_suspects": ()}, "leaves them out"),
    ],
)
def test_a_choice_that_compare_cannot_ask_for_has_no_command(choice: dict[str, Any], why: str) -> None:
    said, line = comparing(SelectSettings.from_flat(choice), "train.jsonl", pairs=False)
    assert (line, why in said) == ("", True)


def test_the_table_has_every_pick_with_what_it_was_worth(run: Run) -> None:
    table = re.search(r'<div class="grid live" id="chosen-rows">.*?</table>', text_of(run), re.DOTALL)[0]
    rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]
    assert [int(re.findall(r'data-key="(\d+)"', row)[1]) for row in rows] == run.row_numbers.tolist()
    assert all("What is" in row for row in rows)


def test_the_screen_says_where_the_page_is(corpus, tmp_path: Path, spice) -> None:
    code, out, _ = spice("select", corpus(), "--method", "random", "--budget", 8, "--out", tmp_path / "run")
    assert code == 0
    assert "on one page for a browser" in " ".join(out.split())
    assert str(tmp_path / "run" / "report.html") in "".join(out.split())


def test_a_page_that_fails_leaves_the_run_finished_and_names_the_command(
    corpus, tmp_path: Path, spice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no page today")

    monkeypatch.setattr("spice_select.report.write_report", broken)
    code, out, err = spice("select", corpus(), "--method", "random", "--budget", 8, "--out", tmp_path / "run")
    assert (code, err) == (0, "")
    assert "no page today" in out
    assert f"spice report {tmp_path / 'run'}" in " ".join(out.split())
    assert (tmp_path / "run" / "manifest.json").is_file()


def test_chosen_and_rejected_rows_have_their_why(run: Run) -> None:
    page = text_of(run)
    assert "rank 1 of 12: gain" in page
    rejected = re.search(r'id="rejected-rows".*?</table>', page, re.DOTALL)[0]
    best = Explainer(run).best_rejected(100)
    assert [int(row) for row in re.findall(ROW, rejected)] == [one.row for one in best]
    assert "explained by the picks" in rejected


def test_the_card_of_an_export_has_the_numbers_of_the_page(run: Run, tmp_path: Path) -> None:
    card = (export_run(run, "trl", out=tmp_path / "rows").path / "README.md").read_text(encoding="utf-8")
    tiles = re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)<small>(.*?)</small></dd></div>", text_of(run))
    assert [name for name, _, _ in tiles] == [
        "Chosen",
        "Trained tokens",
        "Of the target explained",
        "Certified, log det",
        "Time",
    ]
    for name, value, meaning in tiles[:-1]:
        assert f"| {name} | **{value}** | {meaning} |" in card


@pytest.mark.parametrize("there", [True, False])
def test_the_page_is_opened_where_there_is_a_browser(run: Run, spice, monkeypatch: pytest.MonkeyPatch, there) -> None:
    asked = []
    monkeypatch.setattr("webbrowser.open", lambda address: asked.append(address) or there)
    code, out, _ = spice("report", run.path, "--open")
    assert (code, asked) == (0, [(run.path / "report.html").resolve().as_uri()])
    assert ("No browser was found" in " ".join(out.split())) is not there
