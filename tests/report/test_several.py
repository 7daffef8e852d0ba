"""Several runs on one page."""

import json
import re
import shutil
from pathlib import Path

import pytest

import spice_select
from spice_select.errors import InputError
from spice_select.report.several import overlap_figure, source_shares_figure, write_side_by_side
from tests.conftest import make_sums


@pytest.fixture
def runs(corpus, tmp_path: Path):
    path = corpus(make_sums(40))
    asked = {"longest": {"method": "longest"}, "drawn": {"method": "random"}, "again": {"method": "random", "seed": 1}}
    return [spice_select.select(path, out=tmp_path / name, budget=8, **more) for name, more in asked.items()]


def test_what_is_shared_and_what_each_has_alone_are_counted_by_content(runs, tmp_path: Path):
    page = write_side_by_side(runs, tmp_path / "page.html").read_text(encoding="utf-8")
    chosen = [{json.dumps(row, sort_keys=True) for row in run.rows} for run in runs]
    common, either = set.intersection(*chosen), set.union(*chosen)
    assert f"All 3 chose {len(common)} rows in common, of {len(either)} that any chose." in page
    for place, own in enumerate(chosen):
        others = set.union(*(one for other, one in enumerate(chosen) if other != place))
        assert re.search(rf"{len(own - others)} of 8 rows that no other chose", page) or own <= others


def test_the_settings_that_differ_are_named_and_no_others(runs, tmp_path: Path):
    page = write_side_by_side(runs, tmp_path / "page.html").read_text(encoding="utf-8")
    table = page[page.index('id="settings"') :]
    named = re.findall(r"<th scope=row[^>]*>([a-z_]+)</th>", table)
    assert {"method", "seed"} <= set(named)
    assert "budget" not in named


def test_choices_that_are_the_same_have_nothing_alone(corpus, tmp_path: Path):
    path = corpus(make_sums(40))
    one, other = (
        spice_select.select(path, out=tmp_path / folder / "run", budget=8, method="longest") for folder in ("a", "b")
    )
    page = write_side_by_side([one, other], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Both chose 8 rows in common, of 8 that any chose." in page
    assert "a/run has no row that no other chose." in page
    assert "None: the same was asked of the same rows." in page


def test_other_weights_under_the_same_path_are_a_difference(corpus, tiny_proxy: Path, tmp_path: Path):
    model, path = Path(shutil.copytree(tiny_proxy, tmp_path / "model")), corpus(make_sums(40))
    asked = {"budget": 8, "method": "loss-low", "model": str(model)}
    one = spice_select.select(path, out=tmp_path / "a", **asked)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))
    other = spice_select.select(path, out=tmp_path / "b", **asked)
    page = write_side_by_side([one, other], tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.findall(r"<th scope=row[^>]*>([a-z_0-9]+)</th>", page[page.index('id="settings"') :])[:1] == [
        "model_files_sha256"
    ]


def test_one_run_or_one_twice_is_refused(runs, tmp_path: Path):
    with pytest.raises(InputError, match="given twice"):
        write_side_by_side([runs[0], runs[0]], tmp_path / "page.html")
    with pytest.raises(InputError, match="1 runs: a page of several"):
        write_side_by_side(runs[:1], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_sources_beyond_those_with_a_colour_are_one():
    figure = source_shares_figure({"a": {f"s{place}": 10 - place for place in range(9)}, "b": {"s0": 5, "": 5}})
    by_choice = {name: sum(row["share"] for row in figure.rows if row["choice"] == name) for name in ("a", "b")}
    assert by_choice == pytest.approx({"a": 1, "b": 1})
    assert {row["source"] for row in figure.rows} >= {"s0", "the others"}


def test_the_most_alike_are_named():
    figure = overlap_figure({"a": {"b": 0.1, "c": 0.6}, "b": {"a": 0.1, "c": 0.2}, "c": {"a": 0.6, "b": 0.2}})
    assert "The most alike are a and c, 60%." in figure.words


def test_the_command_tells_runs_from_comparisons(runs, spice, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = spice("report", runs[0].path, runs[1].path)
    assert (code, "side-by-side.html" in out) == (0, True)
    assert (tmp_path / "side-by-side.html").is_file()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "comparison.json").write_text("{}")
    for asked, words in (
        ((runs[0].path, tmp_path / "c"), "no comparison, and others are"),
        ((tmp_path / "c",), "not as this version writes it"),
        ((runs[0].path, "--out", "x.html"), "with one folder"),
        ((runs[0].path, runs[1].path, "--figures", "f"), "give one at a time"),
    ):
        code, _, error = spice("report", *asked)
        assert (code, words in " ".join(error.split())) == (2, True), error
