"""The page of pairs and of marked answers: what log det cannot see stands there, and no command that would refuse."""

import re
from pathlib import Path

import pytest

import spice_select
from spice_select.report.material import RunMaterial
from spice_select.report.sections.sides import sides_section
from spice_select.run.finished import Run
from tests.pipeline.test_marked import made_marks
from tests.pipeline.test_pairs import made_pairs
from tests.report.conftest import written


@pytest.fixture(scope="module")
def runs(tiny_proxy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("sides")
    rows = {"pairs": made_pairs(), "marks": made_marks()}
    asked = {"model": str(tiny_proxy), "sketch_dim": 32, "budget": 6}
    return {
        name: spice_select.select(written(folder / f"{name}.jsonl", some), out=folder / name, **asked)
        for name, some in rows.items()
    }


def text_of(run: Run) -> str:
    return (run.path / "report.html").read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    return re.findall(r"<code>spice (\w+)", page)


def test_pairs_are_told_by_lengths_and_by_who_opposes_whom(runs: dict[str, Run]) -> None:
    page, summary = text_of(runs["pairs"]), runs["pairs"].summary.pairs
    assert summary is not None
    lengths = re.search(r'id="pair-lengths".*?</table>', page, re.DOTALL)[0]
    for value in (f"{summary.longer:.1%}", f"{summary.chosen_longer:.1%}", f"{summary.medians[1]:,.0f}"):
        assert value in lengths
    for name, groups in (("length", summary.by_length), ("source", summary.by_source)):
        table = re.search(rf'id="opposing-{name}".*?</table>', page, re.DOTALL)[0]
        for group in groups:
            assert (group.name or "(none)") in table
            assert f"{group.opposing:.1%}" in table


def test_marked_answers_are_told_by_mark(runs: dict[str, Run]) -> None:
    table = re.search(r'id="opposing-mark".*?</table>', text_of(runs["marks"]), re.DOTALL)[0]
    assert all(f"{group.opposing:.1%}" in table for group in runs["marks"].summary.marks)


def test_no_command_of_their_pages_is_one_that_refuses_them(runs: dict[str, Run]) -> None:
    pairs, marks = (commands(text_of(runs[name])) for name in ("pairs", "marks"))
    assert {"train", "compare", "transfer", "suspects"} <= set(pairs)
    assert "export" in marks
    assert not {"train", "compare", "transfer", "suspects"} & set(marks)


def test_answers_to_be_learnt_have_no_such_section(run: Run) -> None:
    assert sides_section(RunMaterial(run)) is None
