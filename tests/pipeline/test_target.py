"""`--target`: rows of what matters, which the choice is for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select as spice
from spice_select.errors import InputError


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def target(tmp_path: Path, sums: Callable[..., list[dict[str, Any]]]) -> Path:
    return lines(tmp_path / "target.jsonl", sums(10, 7))


@pytest.mark.parametrize("schedule", ["global", "pools", "interleaved"])
def test_the_choice_is_for_the_target_and_says_what_it_explains(
    schedule: str, corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    options = {} if schedule == "global" else {"pool_size": 10}
    run = spice.select(
        corpus(), target=target, model=str(tiny_proxy), budget=6, schedule=schedule, out=tmp_path / "run", **options
    )
    assert len(run.row_numbers) == 6
    assert run.settings.spice.objective == "target-information"
    (reached,) = run.summary.judged.target
    assert 0 < reached.share <= 1
    assert reached.share > reached.random_mean
    chosen = [json.loads(line) for line in (tmp_path / "run" / "selected.jsonl").read_text().splitlines()]
    assert all(0 <= row["spice"]["target"]["row"] < 10 for row in chosen)
    assert all(-1 <= row["spice"]["target"]["cosine"] <= 1 for row in chosen)


def test_rows_that_stand_in_the_target_leave_the_pool(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    path = corpus()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    target = lines(tmp_path / "target.jsonl", [rows[3], rows[5]])
    run = spice.select(path, target=target, model=str(tiny_proxy), budget=4, out=tmp_path / "run")
    dropped = [json.loads(line) for line in (tmp_path / "run" / "dropped.jsonl").read_text().splitlines()]
    assert [(line["row"], line["reason"]) for line in dropped if line["reason"] == "in-target"] == [
        (3, "in-target"),
        (5, "in-target"),
    ]
    assert not {3, 5} & set(run.row_numbers.tolist())


def test_gradients_are_shared_with_a_run_without_a_target(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    first = spice.select(corpus(), model=str(tiny_proxy), budget=6, out=tmp_path / "runs" / "a")
    again = spice.select(corpus(), target=target, model=str(tiny_proxy), budget=6, out=tmp_path / "runs" / "b")
    part = "gradients/part-00000.parquet"
    assert (first.path / part).stat().st_ino == (again.path / part).stat().st_ino
    assert np.array_equal(first.features.features, again.features.features)


def test_half_of_the_target_is_held_out_for_the_verdict(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    run = spice.select(
        corpus(), target=target, hold_out_target=True, model=str(tiny_proxy), budget=6, out=tmp_path / "run"
    )
    (reached,) = run.summary.judged.target
    assert reached.rows == 5
    assert reached.held_out


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "random"}, ["--target with --method random", "spice"]),
        ({"method": "spice", "carry_state": True, "schedule": "interleaved"}, ["--carry-state with --target"]),
    ],
    ids=str,
)
def test_what_takes_no_target_says_so(
    settings: dict[str, Any], words: list[str], corpus: Callable[..., Path], target: Path, tiny_proxy: Path
) -> None:
    with pytest.raises(InputError) as fault:
        spice.select(corpus(), target=target, model=str(tiny_proxy), **settings)
    assert all(word in str(fault.value) for word in words)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], ["target.jsonl", "empty"]),
        ([{"messages": []}], ["target.jsonl", "none of the 1 rows can be used"]),
        ([{"colour": "red"}], ["target.jsonl", "fit no known format"]),
        (
            [
                {"question": "1 + 1?", "answer": "2", "task": "sums"},
                {"question": "why?", "answer": "", "task": "reasons"},
            ],
            ["no row of the task 'reasons'"],
        ),
    ],
    ids=str,
)
def test_a_target_that_cannot_be_used_is_named(
    rows: list[dict[str, Any]], words: list[str], corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    target = lines(tmp_path / "target.jsonl", rows)
    with pytest.raises(InputError) as fault:
        spice.select(corpus(), target=target, model=str(tiny_proxy), out=tmp_path / "run")
    assert all(word in str(fault.value) for word in words)


def test_a_target_that_is_the_corpus_is_refused(corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every row of the corpus stands in the target"):
        spice.select(corpus(), target=corpus(), model=str(tiny_proxy), out=tmp_path / "run")
