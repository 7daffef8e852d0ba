"""What a folder lacks is said: on the page where the rest can be shown, as an error where it cannot."""

import json
import shutil
from pathlib import Path

import pytest

import spice_select
from spice_select.errors import InputError
from spice_select.report import write_page_figures, write_report
from spice_select.run.finished import Run
from tests.conftest import make_sums


def page_of(run: Run) -> str:
    return write_report(run).read_text(encoding="utf-8")


@pytest.fixture
def copied(run: Run, tmp_path: Path) -> Run:
    """The run, its corpus beside it, to be damaged."""
    shutil.copytree(run.path.parent, tmp_path / "copy")
    return Run(tmp_path / "copy" / "run")


def test_without_its_gradients_a_page_has_the_sections_that_need_none(copied: Run) -> None:
    shutil.rmtree(copied.path / "gradients")
    page = page_of(copied)
    assert 'id="map"' in page
    assert '<figure id="map"' not in page
    assert '<figure id="gain-by-rank"' in page


def test_a_share_of_inner_products_that_are_all_zero_is_not_told(copied: Run) -> None:
    path = copied.path / "gradients" / "fidelity.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"relative_error": None}))
    assert 'id="fidelity"' in page_of(copied)


def test_a_method_without_gradients_says_what_cannot_be_had(draw: Run) -> None:
    page = page_of(draw)
    assert page.count("takes no gradients") >= 4
    assert '<figure id="sources"' in page
    assert '<figure id="lengths"' in page
    assert '<figure id="gain-by-rank"' not in page


@pytest.mark.parametrize("normalise", ["none", "unit"])
def test_rows_that_are_all_the_same_make_a_page_without_a_map(tiny_proxy: Path, tmp_path: Path, normalise: str) -> None:
    corpus = tmp_path / "same.jsonl"
    corpus.write_text((json.dumps(make_sums(1)[0]) + "\n") * 20)
    asked = {"model": str(tiny_proxy), "method": "top-norm", "normalise": normalise, "sketch_dim": 64, "budget": 3}
    page = page_of(spice_select.select(corpus, out=tmp_path / "run", **asked))
    assert "All rows have the same gradient" in page
    assert '<figure id="map"' not in page


def test_a_corpus_that_is_gone_is_done_without(copied: Run) -> None:
    lines = (copied.path / "config.yaml").read_text().splitlines()
    assert lines[1].startswith("corpus: ")
    Path(lines[1].removeprefix("corpus: ")).rename(copied.path.parent / "gone.jsonl")
    try:
        page = page_of(copied)
    finally:
        (copied.path.parent / "gone.jsonl").rename(lines[1].removeprefix("corpus: "))
    assert '<figure id="map"' in page
    assert "What is" in page


@pytest.mark.parametrize("name", ["selected.jsonl", "selection.parquet", "summary.json", "dropped.jsonl"])
def test_an_altered_output_is_refused_with_the_remedy(copied: Run, name: str) -> None:
    with (copied.path / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(InputError, match=r"was altered.*spice select"):
        write_report(copied)


def test_what_is_no_finished_run_is_refused(spice, run: Run, tmp_path: Path) -> None:
    assert spice("report", tmp_path)[0] == 2
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run.path, unfinished)
    (unfinished / "manifest.json").unlink()
    code, _, err = spice("report", unfinished)
    assert code == 2
    assert "unfinished" in err
    (unfinished / "manifest.json").write_text("{")
    code, _, err = spice("report", unfinished)
    assert code == 2
    assert "damaged" in err


def test_damaged_suspects_are_named_with_the_command_that_writes_them_again(copied: Run) -> None:
    for damaged in ("{", '{"row": 1}\n', "[]\n", '"x"\n'):
        (copied.path / "suspects.jsonl").write_text(damaged)
        assert "cannot be read" in page_of(copied), damaged


def test_suspects_stand_beside_the_rows_they_repeat(copied: Run) -> None:
    rows = make_sums(40)
    row = int(copied.row_numbers[0])
    line = {"row": row, "where": "x", "kind": "near-duplicate", "score": 0.9, "reason": "repeats another"}
    line |= {"partners": [(row + 1) % 40], "sha256": "", "record": rows[row]}
    (copied.path / "suspects.jsonl").write_text(json.dumps(line) + "\n")
    page = page_of(copied)
    assert "repeats another" in page
    assert f"row {(row + 1) % 40}: user: {rows[(row + 1) % 40]['messages'][0]['content']}" in page


def test_one_chosen_row_and_a_thousand_sources(tmp_path: Path, tiny_proxy: Path) -> None:
    rows = [{**row, "source": f"source {number}"} for number, row in enumerate(make_sums(1000))]
    corpus = tmp_path / "many.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = page_of(spice_select.select(corpus, out=tmp_path / "many", method="random", budget=100))
    assert "19 largest of 1,000 sources" in page
    few = tmp_path / "few.jsonl"
    few.write_text("".join(json.dumps(row) + "\n" for row in make_sums(12)))
    one = spice_select.select(few, out=tmp_path / "one", budget=1, model=str(tiny_proxy), sketch_dim=32)
    assert "One row alone agrees with itself" in page_of(one)


def test_every_figure_is_written_as_png_and_svg(run: Run, tmp_path: Path) -> None:
    written = write_page_figures(run, tmp_path / "figures")
    assert {path.suffix for path in written} == {".png", ".svg"}
    assert {path.stem for path in written} >= {"gain-by-rank", "gain-by-conflict", "lengths", "map", "cosines", "cost"}
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in written if path.suffix == ".png")
    assert all(path.read_text().startswith("<svg") for path in written if path.suffix == ".svg")
