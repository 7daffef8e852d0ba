"""`--target`: rows of what matters, which the choice is for."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select as spice
from spice_select.checks.run import check_run, examine_run
from spice_select.data.encoding import Encoder
from spice_select.errors import InputError
from spice_select.executors import ProcessPlace
from spice_select.export.stage import export_run
from spice_select.features import stage
from spice_select.methods import METHODS
from spice_select.progress import Silent
from spice_select.run.settings import SelectSettings
from spice_select.run.target import read_target
from spice_select.run.worker import help_with
from spice_select.store import PartStore
from spice_select.testing.tokenizers import tiny_tokenizer
from spice_select.training.rows import read_arm


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


def dropped(run: spice.Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "dropped.jsonl").read_text().splitlines()]


def picks(run: spice.Run) -> list[int]:
    return run.row_numbers.tolist()


TARGETED = [method.name for method in METHODS if method.takes_target]


@pytest.mark.parametrize("schedule", ["global", "pools", "interleaved"])
@pytest.mark.parametrize("method", TARGETED)
def test_every_method_that_takes_a_target_goes_with_every_schedule(
    method: str, schedule: str, corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    options = {} if schedule == "global" else {"pool_size": 20}
    asked = {"target": target, "model": str(tiny_proxy), "method": method, "schedule": schedule, **options}
    if schedule == "interleaved" and method in ("rds", "tsds", "sift"):
        with pytest.raises(InputError, match="its pools know gradients alone"):
            spice.select(corpus(), **asked, budget=6, out=tmp_path / "run")
        return
    run = spice.select(corpus(), **asked, budget=6, out=tmp_path / "run")
    assert len(picks(run)) == 6
    assert run.target is not None
    assert len(run.target) == 10
    tokens = spice.select(corpus(), **asked, budget="400-tokens", out=tmp_path / "tokens")
    assert 0 < tokens.summary.chosen_tokens <= 400


def test_a_task_is_a_file_or_a_column(
    corpus: Callable[..., Path], sums: Callable[..., list[dict[str, Any]]], tiny_proxy: Path, tmp_path: Path
) -> None:
    first, second = sums(9, 7), sums(9, 8)
    files = [lines(tmp_path / "one.jsonl", first), lines(tmp_path / "two.jsonl", second)]
    named = [{**row, "task": task} for task, rows in (("one", first), ("two", second)) for row in rows]
    options = {"model": str(tiny_proxy), "budget": 6}
    by_file = spice.select(corpus(), target=files, out=tmp_path / "runs" / "a", **options)
    column = lines(tmp_path / "both.jsonl", named)
    by_column = spice.select(corpus(), target=column, out=tmp_path / "runs" / "b", **options)
    alone = lines(tmp_path / "plain.jsonl", [*first, *second])
    as_one = spice.select(corpus(), target=alone, out=tmp_path / "runs" / "c", **options)
    assert [one.task for one in by_file.summary.judged.target] == ["one", "two"]
    assert [one.task for one in as_one.summary.judged.target] == [""]
    assert picks(by_file) == picks(by_column)
    assert by_file.manifest["identity"]["target_sha256"] == by_column.manifest["identity"]["target_sha256"]
    assert by_file.target is not None
    assert list(by_file.target.groups) == ["one", "two"]


def test_files_of_one_name_are_two_tasks_and_rows_without_a_task_go_by_their_file(
    corpus: Callable[..., Path], sums: Callable[..., list[dict[str, Any]]], tiny_proxy: Path, tmp_path: Path
) -> None:
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
    left = lines(tmp_path / "left" / "test.jsonl", [{**row, "task": number % 2} for number, row in enumerate(sums(4))])
    right = lines(tmp_path / "right" / "test.jsonl", sums(3, 4))
    run = spice.select(
        corpus(sums(40, 50)), target=[left, right], model=str(tiny_proxy), budget=6, out=tmp_path / "run"
    )
    assert [one.task for one in run.summary.judged.target] == ["0", "1", str(right)]


def test_the_reported_share_is_that_of_the_definition(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    run = spice.select(corpus(), target=target, model=str(tiny_proxy), budget=6, sketch_dim=48, out=tmp_path / "run")
    assert run.target is not None
    G, Y = np.asarray(run.matrix[run.selection.indices], np.float64), run.target.matrix.dense
    left = np.trace(Y @ np.linalg.inv(np.eye(48) + G.T @ G) @ Y.T)
    assert run.summary.judged.target[0].share == pytest.approx(1 - left / (Y * Y).sum(), rel=1e-9)
    chosen = [json.loads(line)["spice"]["target"] for line in (run.path / "selected.jsonl").read_text().splitlines()]
    cosines = (G / np.linalg.norm(G, axis=1)[:, None]) @ (Y / np.linalg.norm(Y, axis=1)[:, None]).T
    assert [one["row"] for one in chosen] == cosines.argmax(axis=1).tolist()
    assert [one["cosine"] for one in chosen] == pytest.approx(cosines.max(axis=1))
    assert chosen[0]["where"].endswith(f"target.jsonl:{chosen[0]['row'] + 1}")


def test_near_copies_leave_the_pool_and_a_shared_system_prompt_makes_none(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    system = {"role": "system", "content": "You answer in one line, with all the care that you can muster. " * 2}
    say = "the quick brown fox jumps over the lazy dog while a cat sleeps on the warm mat and dreams of fish"

    def row(number: int, text: str) -> dict[str, Any]:
        user = {"role": "user", "content": f"Tell me number {number}"}
        return {"messages": [system, user, {"role": "assistant", "content": text}]}

    pool = [row(number, " ".join(sorted(say.split())[number % 7 :]) + f" {number}") for number in range(20)]
    near = row(3, pool[3]["messages"][2]["content"] + " Yes")
    target = lines(tmp_path / "target.jsonl", [row(99, "something else entirely, of which nobody spoke"), near])
    run = spice.select(corpus(pool), target=target, model=str(tiny_proxy), budget=4, out=tmp_path / "run")
    gone = [line for line in dropped(run) if line["reason"] == "in-target"]
    assert 3 in [line["row"] for line in gone]
    assert len(gone) < 8, "a system prompt that all rows share is no likeness"
    assert "says nearly what (Jaccard" in gone[0]["detail"]
    assert "target.jsonl:2" in gone[0]["detail"]


def test_what_of_a_target_is_not_used_is_said(
    corpus: Callable[..., Path], sums: Callable[..., list[dict[str, Any]]], tiny_proxy: Path, tmp_path: Path
) -> None:
    rows = sums(4, 7)
    rows[2]["messages"][1]["content"] = ""
    rows[3]["messages"][1]["content"] = "word " * 900
    target = lines(tmp_path / "target.jsonl", [*rows, rows[0]])
    run = spice.select(corpus(), target=target, model=str(tiny_proxy), budget=4, max_length=400, out=tmp_path / "run")
    notes = "\n".join(run.summary.notes)
    assert "1 row cannot be used (" in notes
    assert "target.jsonl:3" in notes
    assert "1 row was cut at the maximum length" in notes
    assert "The target has 4 rows to choose by: below 8 the choice hangs on single rows" in notes
    assert "1 row of the target repeats another" in notes
    kept = [json.loads(line) for line in (run.path / "target" / "rows.jsonl").read_text().splitlines()]
    assert [line["use"] == "choosing" for line in kept] == [True, True, False, True, True]
    assert kept[1]["record"] == rows[1]


def test_a_target_may_be_of_another_format_and_of_one_row(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    target = lines(tmp_path / "target.jsonl", [{"question": "How many legs has a cat?", "answer": "Four."}])
    run = spice.select(corpus(), target=target, model=str(tiny_proxy), budget=4, out=tmp_path / "run")
    assert any("The target has 1 row to choose by" in note for note in run.summary.notes)
    assert run.target is not None
    assert run.target.rows.tolist() == [0]


def test_copies_of_a_row_are_held_out_together(
    corpus: Callable[..., Path], sums: Callable[..., list[dict[str, Any]]], tiny_proxy: Path, tmp_path: Path
) -> None:
    target = lines(tmp_path / "target.jsonl", [*sums(6, 7), *sums(6, 7)])
    run = spice.select(
        corpus(), target=target, hold_out_target=True, model=str(tiny_proxy), budget=4, out=tmp_path / "run"
    )
    assert run.target is not None
    chose = set(run.target.rows.tolist())
    assert len(chose) == 6
    assert {row % 6 for row in chose} & {row % 6 for row in set(range(12)) - chose} == set()
    assert run.summary.judged.target[0].rows == 6


@pytest.mark.parametrize("column", ["id", "task"])
def test_copies_of_other_records_or_tasks_are_held_out_together(
    sums: Callable[..., list[dict[str, Any]]], tmp_path: Path, column: str
) -> None:
    rows = [{**row, column: f"{place}"} for place in range(2) for row in sums(8, 7)]
    asked = {"target": str(lines(tmp_path / "target.jsonl", rows)), "hold_out_target": True}
    encoder = Encoder(tiny_tokenizer(), max_length=256)
    for seed in range(4):
        found = read_target(SelectSettings.from_flat({**asked, "seed": seed}), encoder, Silent())
        assert found is not None
        assert found.held_out[:8].tolist() == found.held_out[8:].tolist()
        assert found.held_out.sum() == 8
        assert any("8 rows of the target repeat others" in note for note in found.notes)


def test_a_task_whose_rows_all_stand_on_one_side_of_another_is_refused(
    sums: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    rows = [{**row, "task": task} for task, few in (("all", 4), ("few", 2)) for row in sums(4, 7)[:few]]
    asked = {"target": str(lines(tmp_path / "target.jsonl", rows)), "hold_out_target": True}
    encoder, told = Encoder(tiny_tokenizer(), max_length=256), set()
    for seed in range(12):
        try:
            found = read_target(SelectSettings.from_flat({**asked, "seed": seed}), encoder, Silent())
        except InputError as error:
            told.add(str(error))
            continue
        assert found is not None
        for task in ("all", "few"):
            assert len({bool(out) for out, own in zip(found.held_out, found.tasks, strict=True) if own == task}) == 2
    (words,) = told
    assert "the rows of the target's task 'few' stand in other tasks too" in words


def test_a_task_is_a_whole_number_or_a_text_and_a_missing_one_is_none(
    sums: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    rows = [{**row, "task": task} for row, task in zip(sums(4), [1.0, math.nan, 1, ""], strict=True)]
    asked = SelectSettings.from_flat({"target": str(lines(tmp_path / "test.jsonl", rows))})
    found = read_target(asked, Encoder(tiny_tokenizer(), max_length=256), Silent())
    assert found is not None
    assert found.tasks == ["1", "test", "1", "test"]


def test_suspects_and_the_targets_rows_leave_the_pool_together(
    corpus: Callable[..., Path], sums: Callable[..., list[dict[str, Any]]], tiny_proxy: Path, tmp_path: Path
) -> None:
    rows = sums(30)
    target = lines(tmp_path / "target.jsonl", [rows[3], *sums(8, 7)])
    run = spice.select(
        corpus([*rows, rows[3], rows[4]]),
        target=target,
        without_suspects=["duplicate"],
        model=str(tiny_proxy),
        budget=4,
        out=tmp_path / "run",
    )
    reasons = {line["row"]: line["reason"] for line in dropped(run)}
    assert {reasons[3], reasons[30]} == {"in-target"}
    assert reasons[31] != "in-target"
    assert not {3, 30, 31} & set(picks(run))
    assert run.summary.usable + len(reasons) == 32


def test_the_config_replays_from_any_folder(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus()
    monkeypatch.chdir(tmp_path)
    options = {"model": str(tiny_proxy), "budget": 6}
    run = spice.select("train.jsonl", target="target.jsonl", out=tmp_path / "runs" / "a", **options)
    assert run.settings.target.target == (str(target),)
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    again = spice.select(tmp_path / "train.jsonl", **run.settings.changed(), out=tmp_path / "b")
    assert picks(again) == picks(run)


def test_a_worker_finds_the_target_again(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    run = spice.select(corpus(), target=target, model=str(tiny_proxy), budget=6, out=tmp_path / "run")
    help_with(run.path, ProcessPlace(rank=1, world=2), device="cpu")
    target.write_text(target.read_text().replace("What is", "Say what is"))
    with pytest.raises(InputError, match=r"is another run than this process would help with: target_examples_sha256"):
        help_with(run.path, ProcessPlace(rank=1, world=2), device="cpu")


class Computed:
    """Counts rows by the folder their part is written to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folders: list[str] = []
        real = PartStore.write
        monkeypatch.setattr(
            PartStore, "write", lambda store, *given: self.folders.append(str(store.folder)) or real(store, *given)
        )

    def of_target(self) -> int:
        return sum("target" in Path(folder).parts for folder in self.folders)


@pytest.mark.parametrize("method", ["spice", "less", "rds"])
def test_a_second_run_takes_the_targets_features_from_the_first(
    method: str,
    corpus: Callable[..., Path],
    sums: Callable[..., list[dict[str, Any]]],
    tiny_proxy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = lines(tmp_path / "goal.jsonl", sums(10, 7))
    computed, options = Computed(monkeypatch), {"model": str(tiny_proxy), "method": method, "target": target}
    spice.select(corpus(), budget=4, out=tmp_path / "runs" / "a", **options)
    assert computed.of_target() == 1
    second = spice.select(corpus(), budget=6, out=tmp_path / "runs" / "b", **options)
    assert computed.of_target() == 1
    apart = spice.select(corpus(), budget=6, out=tmp_path / "apart" / "b", **options)
    assert computed.of_target() == 2
    assert picks(second) == picks(apart)
    other = lines(tmp_path / "goal.jsonl", sums(10, 8))
    spice.select(corpus(), budget=6, out=tmp_path / "runs" / "c", **{**options, "target": other})
    assert computed.of_target() == 3


def test_a_targets_preconditioned_gradients_are_not_taken_for_plain_ones(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = Computed(monkeypatch)
    options = {"model": str(tiny_proxy), "target": target, "precondition": "adam", "warmup_rows": 8, "budget": 4}
    spice.select(corpus(), method="spice", out=tmp_path / "runs" / "a", **options)
    spice.select(corpus(), method="less", out=tmp_path / "runs" / "b", **options)
    assert computed.of_target() == 2


@pytest.mark.parametrize("harm", ["altered", "the last one gone"])
def test_a_part_of_a_target_that_is_harmed_is_no_smaller_target_and_is_mended_by_the_same_command(
    harm: str, corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(stage, "PART_TOKENS", 120)
    asked = {"model": str(tiny_proxy), "budget": 6, "batch_tokens": 120, "target": target, "sketch_dim": 16}
    run = spice.select(corpus(), out=tmp_path / "run", **asked)
    whole = run.target
    *others, last = sorted((run.path / "target" / "gradients").glob("part-*.parquet"))
    assert others
    if harm == "altered":
        last.write_bytes(last.read_bytes()[:-9])
    else:
        last.unlink()
    with pytest.raises(InputError, match="same `spice select` command"):
        _ = spice.load(run.path).target
    again = spice.select(corpus(), out=tmp_path / "run", **asked).target
    assert whole is not None
    assert again is not None
    np.testing.assert_array_equal(again.rows, whole.rows)
    np.testing.assert_array_equal(again.features["gradients"].features, whole.features["gradients"].features)


def test_half_held_out_needs_no_new_features(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed, options = Computed(monkeypatch), {"model": str(tiny_proxy), "target": target, "budget": 4}
    spice.select(corpus(), out=tmp_path / "runs" / "a", **options)
    spice.select(corpus(), hold_out_target=True, out=tmp_path / "runs" / "b", **options)
    assert computed.of_target() == 1


class Killed(BaseException):
    pass


def test_an_interleaved_run_cut_off_anywhere_resumes_to_the_same_bits(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        "model": str(tiny_proxy),
        "target": target,
        "budget": 8,
        "schedule": "interleaved",
        "pool_size": 10,
        "update_every": 1,
        "learning_rate": 0.02,
        "sketch_dim": 64,
        "conflict_weight": 0.2,
    }
    path, write = corpus(), PartStore.write
    whole = spice.select(path, out=tmp_path / "whole", **options)
    cycles = sorted(folder.name for folder in (whole.path / "target" / "gradients").iterdir())
    assert cycles == [f"cycle-{number:05d}" for number in range(4)]
    for death in (1, 2, 3, 6):
        calls = [0]

        def dying(store: PartStore, *given: Any, calls: list[int] = calls, death: int = death) -> None:
            calls[0] += 1
            if calls[0] == death:
                raise Killed
            write(store, *given)

        monkeypatch.setattr(PartStore, "write", dying)
        with pytest.raises(Killed):
            spice.select(path, out=tmp_path / "cut", **options)
        monkeypatch.setattr(PartStore, "write", write)
        if death == 3:
            next((tmp_path / "cut" / "target" / "gradients" / "cycle-00000").glob("*.parquet")).unlink()
    cut = spice.select(path, out=tmp_path / "cut", **options)
    for name in ("selected.jsonl", "selection.parquet", "target/rows.jsonl", "target/gradients/cycle-00003"):
        there, here = whole.path / name, cut.path / name
        pairs = [(there, here)] if there.is_file() else [(file, here / file.name) for file in sorted(there.iterdir())]
        assert all(left.read_bytes() == right.read_bytes() for left, right in pairs), name


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"objective": "target-information"}, "--objective target-information without --target"),
        ({"method": "less"}, "--method less without --target"),
        ({"method": "bm25"}, "--method bm25 without --target"),
        ({"hold_out_target": True}, "--hold-out-target without --target"),
        ({"target": "gone.jsonl"}, "gone.jsonl"),
    ],
    ids=str,
)
def test_what_needs_a_target_says_so(
    settings: dict[str, Any], words: str, corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as fault:
        spice.select(corpus(), model=str(tiny_proxy), out=tmp_path / "run", **settings)
    assert words in str(fault.value)
    assert not (tmp_path / "run").exists()


def test_bad_targets_leave_with_2_and_one_sentence(
    spice: Callable[..., tuple[int, str, str]],
    corpus: Callable[..., Path],
    target: Path,
    sums: Callable[..., list[dict[str, Any]]],
    tiny_proxy: Path,
    tmp_path: Path,
) -> None:
    pairs = lines(tmp_path / "pairs.jsonl", [{"prompt": "1 + 1?", "chosen": "2", "rejected": "3"}] * 3)
    single = lines(tmp_path / "single.jsonl", [{**row, "task": f"t{n}"} for n, row in enumerate(sums(3, 7))])
    for files, flags, words in [
        ([target, target], [], "target.jsonl: the file is named twice"),
        ([corpus()], [], "every row of the corpus stands in the target too"),
        ([pairs], [], "pairs.jsonl:1: a preference pair (chosen/rejected). A target's rows have one answer each"),
        ([single], ["--hold-out-target"], "the target's task 't0' has one row that can be used"),
        ([target], ["--method", "bm25", "--hold-out-target"], "takes no gradients, so nothing would be judged"),
        ([target], ["--method", "longest"], "--target with --method longest: it chooses without one"),
        ([tmp_path / "none.jsonl"], [], "none.jsonl"),
    ]:
        code, _, err = spice("select", corpus(), "--target", *files, "--model", tiny_proxy, "--out", "x", *flags)
        assert code == 2, (words, err)
        assert words in " ".join(err.split()), err


def test_what_other_settings_would_choose_is_told_of_log_det_with_the_targets_conflict(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    options = {"target": target, "model": str(tiny_proxy), "budget": 8}
    run = spice.select(corpus(), objective="log-det", conflict_weight=0.5, out=tmp_path / "runs" / "a", **options)
    found = examine_run(run.path)
    assert found.sensitivity is not None
    assert next(one for one in found.sensitivity.weights if one.conflict_weight == 0.5).changed == 0
    assert {check.name for check in found.checks if check.passed is False} <= {"recorded numbers"}
    aimed = spice.select(corpus(), out=tmp_path / "runs" / "b", **options)
    assert "--objective target-information" in examine_run(aimed.path).untold
    with pytest.raises(InputError, match="was chosen by --objective target-information"):
        check_run(aimed.path)


@pytest.mark.parametrize("method", ["herding", "source-shares"])
def test_what_is_asked_of_log_det_is_asked_of_no_method_that_does_not_choose_by_it(
    method: str, corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path
) -> None:
    run = spice.select(corpus(), model=str(tiny_proxy), budget=8, method=method, out=tmp_path / "run")
    assert run.summary.judged is not None
    assert (run.summary.judged.curvature, run.summary.judged.promised) == (None, None)
    found = examine_run(run.path)
    assert (found.checks, found.sensitivity, found.stops) == ([], None, ())
    assert f"Chosen by --method {method}" in found.untold
    assert found.signs
    with pytest.raises(InputError, match=f"was chosen by --method {method}"):
        check_run(run.path)


def test_rows_that_were_left_out_are_not_chosen_by_other_settings_either(
    corpus: Callable[..., Path], sums: Callable[..., list[dict[str, Any]]], tiny_proxy: Path, tmp_path: Path
) -> None:
    rows = sums(20)
    target = lines(tmp_path / "target.jsonl", rows[:10])
    run = spice.select(
        corpus(rows), target=target, model=str(tiny_proxy), objective="log-det", budget="100%", out=tmp_path / "run"
    )
    assert sorted(picks(run)) == list(range(10, 20))
    found = examine_run(run.path).sensitivity
    assert found is not None
    assert {(one.picks, one.changed) for one in (*found.weights, *found.alphas)} == {(10, 0.0)}
    assert [row.raw["id"] for row in read_arm(run, "full", seed=0, allow_network=False).rows] == [
        f"r{number}" for number in range(10, 20)
    ]


def test_the_command_prints_what_the_picks_explain(
    spice: Callable[..., tuple[int, str, str]],
    corpus: Callable[..., Path],
    sums: Callable[..., list[dict[str, Any]]],
    tiny_proxy: Path,
    tmp_path: Path,
) -> None:
    files = [lines(tmp_path / f"{name}.jsonl", sums(8, seed)) for name, seed in (("maths", 7), ("more", 8))]
    out = tmp_path / "run"
    flags = ("--hold-out-target", "--model", tiny_proxy, "--budget", "6", "--out", out)
    code, text, err = spice("select", corpus(), "--target", *files, *flags)
    assert (code, err) == (0, "")
    for said in (text, spice("show", out)[1]):
        words = " ".join(said.split())
        assert "maths: picks explain " in words
        assert "more: picks explain " in words
        assert "of the target's gradients (4 held-out rows of it), random picks of as many rows" in words
    code, _, err = spice("select", "--config", out / "config.yaml", "--out", tmp_path / "again")
    assert (code, err) == (0, "")
    assert (tmp_path / "again" / "selected.jsonl").read_bytes() == (out / "selected.jsonl").read_bytes()


def test_a_choice_for_a_target_is_a_table_and_can_be_exported(
    corpus: Callable[..., Path], target: Path, tiny_proxy: Path, tmp_path: Path
) -> None:
    run = spice.select(corpus(), target=target, model=str(tiny_proxy), budget=6, out=tmp_path / "run")
    assert {note["target"]["where"].split(":")[0] for note in run.dataset["spice"]} == {"target.jsonl"}
    card = (export_run(run, "trl").path / "README.md").read_text()
    assert "for a target of 10 rows" in card
    assert run.manifest["identity"]["target_sha256"] in card


def test_a_pool_of_suspects_and_rows_of_the_target_leaves_nothing_and_says_both(
    corpus: Callable[..., Path], sums: Callable[..., list[dict[str, Any]]], tiny_proxy: Path, tmp_path: Path
) -> None:
    rows = sums(2)
    rows[1]["messages"][1]["content"] = "As an AI language model, I cannot help with that."
    target = lines(tmp_path / "target.jsonl", [rows[0]])
    with pytest.raises(InputError, match=r"all 2 usable rows are suspects or stand in the target \(1\)"):
        spice.select(
            corpus(rows),
            target=target,
            without_suspects=["refusal"],
            model=str(tiny_proxy),
            budget=1,
            out=tmp_path / "run",
        )
