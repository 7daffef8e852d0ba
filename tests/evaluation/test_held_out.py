"""Held-out losses from files to the table: sources, pairs, rows a run saw, resumption."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spice_select
from spice_select.errors import InputError
from spice_select.evaluation import loss as loss_module
from spice_select.evaluation import stage
from spice_select.evaluation.heldout import WHOLE, HeldOutRows, RowLosses, by_source, row_losses
from spice_select.evaluation.settings import ModelSettings
from spice_select.evaluation.subjects import Subject
from tests.evaluation.models import write_adapter
from tests.evaluation.test_loss import examples

Corpus = Callable[..., Path]


def record(rows: list[int], sums: list[float], tokens: list[int], sources: str) -> RowLosses:
    return RowLosses(
        rows=np.array(rows),
        sources=tuple(sources),
        sums=np.array(sums),
        tokens=np.array(tokens),
        truncated=0,
        dropped={},
        tokenizer="t",
    )


def test_losses_by_source_are_those_of_its_rows_alone() -> None:
    losses = by_source(record([0, 1, 2, 3], [2.0, 6.0, 9.0, 1.0], [1, 3, 3, 2], "abab"))
    named = {loss.source: loss for loss in losses}
    assert list(named) == [WHOLE, "a", "b"]
    assert named[WHOLE].per_token.value == pytest.approx(18 / 9)
    assert named["a"].per_token.value == pytest.approx(11 / 4)
    assert named["a"].per_row.value == pytest.approx((2 + 3) / 2)
    assert named["b"].tokens == 5


def test_a_source_called_as_the_whole_is_told_from_it() -> None:
    found = by_source(record([0, 1, 2], [2.0, 6.0, 9.0], [1, 3, 3], ["all", "all", ""]))
    assert [loss.source for loss in found] == [WHOLE, "(none)", "(all)"]
    assert [loss.tokens for loss in found] == [7, 3, 4]


def test_differences_are_over_the_rows_both_could_use() -> None:
    first = record([0, 1, 2], [4.0, 4.0, 100.0], [2, 4, 1], "aaa")
    second = record([0, 1, 5], [2.0, 1.0, 100.0], [2, 4, 1], "aaa")
    difference = by_source(second, first)[0].per_token_difference
    assert difference is not None
    assert difference.count == 2
    assert difference.value == pytest.approx(3 / 6 - 8 / 6)


def test_rows_without_a_finite_loss_are_dropped_and_counted() -> None:
    rows = examples(3)
    kept = row_losses(rows, np.array([1.0, np.nan, 2.0]), {"empty": 1}, "t")
    assert kept.rows.tolist() == [0, 2]
    assert kept.dropped == {"empty": 1, "non-finite": 1}
    with pytest.raises(InputError, match="not a finite number on any"):
        row_losses(rows, np.full(3, np.inf), {}, "t")


def test_a_record_survives_json() -> None:
    losses = record([3, 4], [0.1, 1e-17], [1, 2], "ab")
    again = RowLosses.from_json(json.loads(json.dumps(losses.to_json())))
    assert again.sums.tolist() == losses.sums.tolist()
    assert again.sources == losses.sources


@pytest.fixture
def held_out(corpus: Corpus, sums: Callable[..., list[dict[str, Any]]]) -> Path:
    return corpus(sums(24, seed=3), "held.jsonl")


def test_several_models_side_by_side(tiny_proxy: Path, held_out: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tiny_proxy, tmp_path / "adapter")
    found = spice_select.evaluate(tiny_proxy, adapter, held_out=held_out, out=tmp_path / "out")
    first, second = found.models
    assert [loss.source for loss in first.losses] == ["all", "math", "talk"]
    assert first.losses[0].per_token.count == 24
    assert first.losses[0].per_token_difference is None
    difference = second.losses[0].per_token_difference
    assert difference is not None
    assert difference.value == pytest.approx(second.losses[0].per_token.value - first.losses[0].per_token.value)
    written = json.loads(found.path.read_text())
    assert written["models"][1]["held_out"][0]["per_token"]["value"] == second.losses[0].per_token.value


def test_finished_results_are_not_computed_again(
    tiny_proxy: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = spice_select.evaluate(tiny_proxy, held_out=held_out, out=tmp_path / "out")
    monkeypatch.setattr(stage, "open_subject", lambda *_: pytest.fail("a model was loaded"))
    assert spice_select.evaluate(tiny_proxy, held_out=held_out, out=tmp_path / "out").models == once.models


@pytest.mark.parametrize("change", ["rows", "length", "weights", "damaged"])
def test_another_question_is_answered_anew(
    change: str, tiny_proxy: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, options = tiny_proxy, {}
    spice_select.evaluate(model, held_out=held_out, out=tmp_path / "out")
    if change == "rows":
        held_out.write_text("".join(held_out.read_text().splitlines(keepends=True)[1:]))
    elif change == "length":
        options = {"max_length": 64}
    elif change == "weights":
        model = write_adapter(tiny_proxy, tmp_path / tiny_proxy.name)
    else:
        (kept,) = (tmp_path / "out").glob("*/held-out-*.json")
        kept.write_text(kept.read_text()[:100])
    calls = []
    plain = loss_module.response_losses
    monkeypatch.setattr(stage, "response_losses", lambda *a, **k: calls.append(1) or plain(*a, **k))
    spice_select.evaluate(model, held_out=held_out, out=tmp_path / "out", **options)
    assert calls == [1]


def test_the_same_rows_at_other_places_are_another_question(
    tiny_proxy: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record names rows by their places: kept from a file with a row in front, it would pair each with the next."""
    adapter = write_adapter(tiny_proxy, tmp_path / "adapter")
    read = stage.read_held_out
    with monkeypatch.context() as patch:
        moved = replaced_numbers(read, by=1)
        patch.setattr(stage, "read_held_out", moved)
        spice_select.evaluate(tiny_proxy, held_out=held_out, out=tmp_path / "out")
    found = spice_select.evaluate(tiny_proxy, adapter, held_out=held_out, out=tmp_path / "out")
    difference = found.models[1].losses[0].per_row_difference
    assert difference is not None
    assert difference.count == 24


def replaced_numbers(read: Callable[..., HeldOutRows], *, by: int) -> Callable[..., HeldOutRows]:
    """As where rows in front of them were left out."""

    def moved(*args: Any, **named: Any) -> HeldOutRows:
        found = read(*args, **named)
        return replace(found, rows=[replace(row, number=row.number + by) for row in found.rows])

    return moved


def test_a_run_killed_between_models_keeps_what_was_finished(
    tiny_proxy: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = write_adapter(tiny_proxy, tmp_path / "adapter")
    plain, loaded = stage.open_subject, []

    def load_once(subject: Any, settings: Any) -> Any:
        loaded.append(subject.name)
        if len(loaded) == 2:
            raise KeyboardInterrupt
        return plain(subject, settings)

    monkeypatch.setattr(stage, "open_subject", load_once)
    with pytest.raises(KeyboardInterrupt):
        spice_select.evaluate(tiny_proxy, adapter, held_out=held_out, out=tmp_path / "out")
    spice_select.evaluate(tiny_proxy, adapter, held_out=held_out, out=tmp_path / "out")
    assert loaded == [str(tiny_proxy), str(adapter), str(adapter)]


def test_rows_that_a_run_saw_are_left_out_whatever_the_file_format(
    tiny_proxy: Path, corpus: Corpus, sums: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    everything = sums(30, seed=5)
    seen = corpus(everything[:20], "seen.jsonl")
    run = spice_select.select(seen, model=str(tiny_proxy), budget=4, sketch_dim=64, out=tmp_path / "run")
    turned = [dict(reversed(row.items())) for row in reversed(everything)]
    held = tmp_path / "all.json"
    held.write_text(json.dumps(turned))
    found = spice_select.evaluate(tiny_proxy, held_out=held, without=[run.path], out=tmp_path / "out")
    assert found.left_out == 20
    assert found.models[0].losses[0].per_token.count == 10
    with pytest.raises(InputError, match="all of its 20 rows are in the corpus"):
        spice_select.evaluate(tiny_proxy, held_out=seen, without=[run.path], out=tmp_path / "out")
    seen.write_text("".join(seen.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(InputError, match="no longer those"):
        spice_select.evaluate(tiny_proxy, held_out=held, without=[run.path], out=tmp_path / "out")


def test_a_row_that_a_run_saw_under_another_id_or_format_or_nearly_is_left_out(
    tiny_proxy: Path, corpus: Corpus, tmp_path: Path
) -> None:
    told = [f"Tell me in a few words what {name} is good for, and how it is used at home." for name in "abcdefgh"]
    answers = [
        f"{name} is used to keep the {name} of a house in order, day by day, by all who live there." for name in told
    ]
    seen = [
        {"instruction": ask, "input": "", "output": answer, "id": place}
        for place, (ask, answer) in enumerate(zip(told, answers, strict=True))
    ]
    run = spice_select.select(
        corpus(seen[:4], "seen.jsonl"), method="random", model=str(tiny_proxy), budget=2, out=tmp_path / "run"
    )
    others = [
        [{"role": "user", "content": told[0]}, {"role": "assistant", "content": answers[0]}],
        [{"role": "user", "content": told[1].upper()}, {"role": "assistant", "content": answers[1]}],
        [{"role": "user", "content": told[6]}, {"role": "assistant", "content": "Of no use at all to anybody I know."}],
    ]
    held = corpus(
        [{"messages": turns, "id": f"h{place}", "source": "x"} for place, turns in enumerate(others)], "held.jsonl"
    )
    found = spice_select.evaluate(tiny_proxy, held_out=held, without=[run.path], out=tmp_path / "out")
    assert found.left_out == 2


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ([], {"held_out": "x"}, "no model was given"),
        (["m"], {}, "nothing was asked"),
        (["m"], {"tasks": "gsm8k", "without": ["r"]}, "--without leaves rows out"),
        (["m"], {"held_out": "x", "limits": 3}, "unknown setting 'limits'. Did you mean 'limit'"),
        (["m"], {"held_out": "x", "limit": 0}, "limit = 0"),
        (["/gone/model"], {"held_out": "x"}, "no such directory"),
    ],
)
def test_what_cannot_be_answered_is_refused(models: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        spice_select.evaluate(*models, **options)


def test_the_command_prints_one_column_a_model(
    spice: Callable[..., tuple[int, str, str]], tiny_proxy: Path, held_out: Path, tmp_path: Path
) -> None:
    adapter = write_adapter(tiny_proxy, tmp_path / "adapter")
    out = tmp_path / "out"
    code, text, _ = spice("evaluate", tiny_proxy, adapter, "--held-out", held_out, "--out", out)
    assert code == 0
    assert "talk" in text
    assert "Δ" in text
    assert str(out / "results.json") in text
    code, _, errors = spice("evaluate", tiny_proxy)
    assert code == 2
    assert "nothing was asked" in errors


def test_a_model_that_does_not_load_takes_no_other_with_it(
    tiny_proxy: Path, held_out: Path, tmp_path: Path, spice: Callable[..., tuple[int, str, str]]
) -> None:
    """It is found out when the models before it are judged: their numbers are shown and written."""
    broken = tmp_path / "broken"
    shutil.copytree(tiny_proxy, broken)
    weights = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    asked = ["evaluate", tiny_proxy, broken, "--held-out", held_out, "--out", tmp_path / "out"]
    code, text, _ = spice(*asked)
    assert code == 2
    assert f"failed {broken}, loading:" in text
    whole, failed = json.loads((tmp_path / "out" / "results.json").read_text())["models"]
    assert whole["held_out"]
    assert [failure["what"] for failure in failed["failures"]] == ["loading"]
    with pytest.raises(InputError, match="cannot be loaded"):
        spice_select.evaluate(broken, held_out=held_out, out=tmp_path / "alone")
    assert not (tmp_path / "alone" / "results.json").exists()


def failing(error: Exception, name: str) -> Callable[..., Any]:
    """As `open_subject`, but of one model it raises this error."""
    plain = stage.open_subject

    def opened(subject: Subject, settings: ModelSettings) -> Any:
        if subject.name == name:
            raise error
        return plain(subject, settings)

    return opened


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no room"), MemoryError("no room"), RuntimeError("DefaultCPUAllocator: no room")]
)
def test_a_model_that_the_machine_has_no_room_for_takes_no_other_with_it(
    tiny_proxy: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    large = str(shutil.copytree(tiny_proxy, tmp_path / "large"))
    monkeypatch.setattr(stage, "open_subject", failing(error, large))
    found = spice_select.evaluate(tiny_proxy, large, held_out=held_out, out=tmp_path / "out")
    (failure,) = found.failures
    assert failure.what == "loading"
    assert "no room" in failure.cause


def test_a_fault_of_ours_while_a_model_loads_shows_where_it_is(
    tiny_proxy: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "open_subject", failing(TypeError("ours"), str(tiny_proxy)))
    with pytest.raises(TypeError, match="ours"):
        spice_select.evaluate(tiny_proxy, held_out=held_out, out=tmp_path / "out")


@pytest.mark.parametrize("columns", ["20", "40", "57"])
def test_no_number_is_cut_in_a_narrow_terminal(
    tiny_proxy: Path,
    held_out: Path,
    tmp_path: Path,
    spice: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
) -> None:
    asked = ("evaluate", tiny_proxy, "--held-out", held_out, "--out", tmp_path / "out")
    whole = re.findall(r"\d\.\d{4,} ± \d\.\d{4,}", spice(*asked)[1])
    monkeypatch.setenv("COLUMNS", columns)
    assert re.findall(r"\d\.\d{4,} ± \d\.\d{4,}", spice(*asked)[1]) == whole != []


def test_asking_for_help_loads_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, spice_select.cli.evaluate, spice_select.cli.transfer; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
