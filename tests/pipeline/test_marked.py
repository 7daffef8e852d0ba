"""From a file of marked answers to chosen ones: both marks are told apart, and what does not fit is refused by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.cases import chat

import spice_select as spice
from spice_select.checks.model import check_model
from spice_select.errors import InputError
from spice_select.methods import METHODS

Corpus = Callable[..., Path]


@pytest.fixture
def options(tiny_proxy: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "sketch_dim": 64, "budget": "25%"}


def made_marks(count: int = 16, *, turn: bool = False) -> list[dict[str, Any]]:
    rows = []
    for number in range(count):
        asked = chat(("user", f"What is {number} and {number % 5}?"))
        answer = f"It is {number + number % 5}." if number % 3 else "I would rather not say that."
        good = bool(number % 3) != turn
        rows.append({"prompt": asked, "completion": chat(("assistant", answer)), "label": good, "id": number})
    return rows


def test_marked_answers_come_out_as_they_went_in_and_the_summary_tells_of_both_marks(
    corpus: Corpus, options, tmp_path: Path, spice: Callable[..., tuple[int, str, str]]
) -> None:
    import spice_select

    rows = made_marks()
    run = spice_select.select(corpus(rows), out=tmp_path / "r", **options)
    assert run.manifest["identity"]["format"] == "kto"
    assert run.manifest["identity"]["loss"] == "sum"
    assert run.rows == [rows[number] for number in run.row_numbers]
    assert (run.settings.spice.objective, run.settings.spice.conflict_weight) == ("log-det", 0.1)
    assert [(group.name, group.pairs) for group in run.summary.marks] == [("good", 10), ("bad", 6)]
    assert sum(group.chosen for group in run.summary.marks) == run.summary.chosen == 4
    assert any("only the penalty λ = 0.1 sees that" in note for note in run.summary.notes)
    assert "has not been shown here" in run.summary.headroom
    code, said, _ = spice("show", run.path)
    assert code == 0
    assert "answers that oppose all others" in said
    for verb in (("check", "run"), ("report",), ("explain",)):
        more = (str(run.row_numbers[0]),) if verb == ("explain",) else ()
        code, said, error = spice(*verb, run.path, *more)
        assert code == 0, said + error


def test_marks_turned_everywhere_turn_every_vector_and_change_no_pick(corpus: Corpus, options, tmp_path: Path) -> None:
    plain, turned = made_marks(), made_marks(turn=True)
    half = [*plain[:8], *turned[8:]]
    answers = [{"messages": [*row["prompt"], *row["completion"]]} for row in plain]
    runs = [
        spice.select(corpus(rows, name=f"{name}.jsonl"), out=tmp_path / name, conflict_weight=0, **options)
        for name, rows in (("plain", plain), ("turned", turned), ("half", half))
    ]
    there = runs[0]
    for run in runs[1:]:
        assert run.row_numbers.tolist() == there.row_numbers.tolist()
    np.testing.assert_allclose(runs[1].features.features, -there.features.features, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(runs[1].selection.conflicts, there.selection.conflicts, atol=1e-5)
    assert np.abs(runs[2].selection.conflicts - there.selection.conflicts).max() > 0.01
    learnt = spice.select(
        corpus(answers, name="answers.jsonl"),
        out=tmp_path / "answers",
        loss="sum",
        objective="log-det",
        conflict_weight=0,
        **options,
    )
    assert learnt.row_numbers.tolist() == there.row_numbers.tolist()
    signs = np.array([1 if row["label"] else -1 for row in plain])[:, None]
    np.testing.assert_allclose(learnt.features.features, signs * there.features.features, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", [method.name for method in METHODS if method.no_marks])
def test_methods_that_would_learn_every_answer_are_refused_by_name(corpus: Corpus, tiny_proxy: Path, method) -> None:
    target = {"target": str(corpus(name="t.jsonl"))} if METHODS[method].requires_target else {}
    schedule = {"schedule": "interleaved"} if METHODS[method].in_loop else {}
    with pytest.raises(InputError) as refused:
        spice.select(corpus(made_marks(), name="p.jsonl"), model=str(tiny_proxy), method=method, **target, **schedule)
    assert f"--method {method} on answers marked good or bad: {METHODS[method].no_marks}" in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"schedule": "interleaved"}, "--schedule interleaved on answers marked good or bad"),
        ({"warm": True, "precondition": "adam"}, "--precondition adam on answers marked good or bad"),
        ({"warm": True}, "--warm on answers marked good or bad"),
        ({"without_suspects": ("duplicate",)}, "--without-suspects on answers marked good or bad"),
        ({"pair_gradient": "mean"}, r"--pair-gradient mean: only preference pairs read it .* these rows are kto"),
    ],
)
def test_what_marked_answers_cannot_honour_is_refused_by_name(corpus: Corpus, tiny_proxy: Path, asked, words) -> None:
    with pytest.raises(InputError, match=words):
        spice.select(corpus(made_marks()), model=str(tiny_proxy), **asked)


@pytest.mark.parametrize("method", ["random", "top-norm", "k-center", "herding"])
def test_other_methods_choose_among_them(corpus: Corpus, options, tmp_path: Path, method: str) -> None:
    asked = {
        name: value
        for name, value in options.items()
        if name != "sketch_dim" or "gradients" in METHODS[method]().needs()
    }
    run = spice.select(corpus(made_marks()), out=tmp_path / "r", method=method, **asked)
    assert run.summary.chosen == 4
    assert sum(group.chosen for group in run.summary.marks) == 4


def test_an_answer_marked_both_ways_is_left_out_unless_it_is_to_be_kept(
    corpus: Corpus, options, tmp_path: Path
) -> None:
    rows = made_marks()
    path = corpus([*rows, {**rows[0], "label": not rows[0]["label"]}])
    asked = {"model": options["model"], "budget": "50%", "method": "random"}
    left = spice.select(path, out=tmp_path / "left", **asked)
    (drop,) = map(json.loads, (left.path / "dropped.jsonl").read_text().splitlines())
    assert (drop["row"], drop["reason"]) == (len(rows), "contradicting-marks")
    kept = spice.select(path, out=tmp_path / "kept", keep_contradictions=True, **asked)
    assert (left.summary.chosen, kept.summary.chosen) == (8, 9)


def test_verbs_that_do_not_know_them_refuse(
    corpus: Corpus, options, tmp_path: Path, spice: Callable[..., tuple[int, str, str]]
) -> None:
    import spice_select

    path = corpus(made_marks())
    run = spice_select.select(path, out=tmp_path / "r", **options)
    for verb, rest in (("train", ()), ("transfer", ("--model", options["model"])), ("suspects", ())):
        code, _, said = spice(verb, run.path, *rest)
        assert code == 2, said
        assert f"spice {verb} does not know answers marked good or bad" in " ".join(said.split())
    code, _, said = spice("evaluate", options["model"], "--held-out", path)
    assert code == 2
    assert "nothing judges models by" in " ".join(said.split())


def test_preview_shows_the_mark_and_the_check_of_a_model_takes_them(
    corpus: Corpus, options, spice: Callable[..., tuple[int, str, str]]
) -> None:
    import spice_select

    path = corpus(made_marks())
    code, said, _ = spice("preview", path, "--model", options["model"], "--rows", 2)
    assert code == 0
    assert "⟪I would rather not say that.<|im_end|>⟫" in said
    assert "⟦It is 2.<|im_end|>⟧" in said
    assert "marked bad" in said
    report = check_model(spice_select.SelectSettings.from_flat(options), corpus=str(path))
    assert [check.name for check in report.checks if check.passed is False] == []
    assert json.loads(path.read_text().splitlines()[0])["label"] is False
