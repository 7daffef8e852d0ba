"""Choices among preference pairs compared: tuned by DPO, judged by pairs whose prompts nobody trained on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select
from spice_select.comparison.pair_judging import ERRORS, FREE_ERRORS, MARGIN, judged_pairs
from spice_select.comparison.reading import read_comparison
from spice_select.errors import InputError
from spice_select.evaluation.preference import PairLogProbs
from spice_select.methods import METHODS
from tests.pipeline.test_pairs import made_pairs

Corpus = Callable[..., Path]


@pytest.fixture
def options(tiny_proxy: Path, tmp_path: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "sketch_dim": 32, "seeds": (0, 1), "out": tmp_path / "c", "budget": "25%"}


@pytest.fixture
def tuned(options: dict[str, Any]) -> dict[str, Any]:
    return {
        **options, "train": True, "train_steps": 2, "train_batch_size": 2, "train_accumulation": 1, "device": "cpu",
        "control_seeds": 2, "held_out_rows": 9,
    }  # fmt: skip


def found(log_probs: list[list[float]], prompts: tuple[str, ...]) -> PairLogProbs:
    return PairLogProbs(
        rows=np.arange(len(prompts)),
        prompts=prompts,
        log_probs=np.array(log_probs),
        tokens=np.array([[2, 4]] * len(prompts)),
        truncated=0,
        dropped={},
        tokenizer="",
    )


def test_a_prompt_counts_for_its_pairs_and_each_measure_is_lower_where_a_model_is_better() -> None:
    prompts = ("a" * 64, "b" * 64, "a" * 64)
    first = found([[-4, -4], [-4, -4], [-4, -4]], prompts)
    after = found([[-3, -5], [-5, -4], [-4, -4]], prompts)  # Δ: 2, −1, 0
    sets = {one["name"]: one for one in judged_pairs("pool", after, first, ["x", "y", "x"])}
    assert set(sets) == {"pool", f"pool{ERRORS}", f"pool{MARGIN}", f"pool{FREE_ERRORS}"}
    for one in sets.values():
        assert (one["rows"], one["sources"], one["tokens"]) == (["a" * 16, "b" * 16], ["x", "y"], [2, 1])
    assert sets[f"pool{ERRORS}"]["sums"] == [0.5, 1.0]  # right and a tie; wrong
    np.testing.assert_allclose(sets[f"pool{MARGIN}"]["sums"], [-0.2, 0.1])
    np.testing.assert_allclose(sets["pool"]["sums"], [np.log1p(np.exp(-0.2)) + np.log(2), np.log1p(np.exp(0.1))])
    assert sets[f"pool{FREE_ERRORS}"]["sums"] == [2.0, 1.0]  # −1.5 against −1.25; −2.5 against −1; −2 against −1
    itself = judged_pairs("pool", first, first, ["x", "y", "x"])
    assert [one["sums"] for one in itself][1:3] == [[1.0, 0.5], [0.0, 0.0]]


def test_arms_are_tuned_by_dpo_and_judged_by_prompts_of_their_own(
    corpus: Corpus, tuned: dict[str, Any], tmp_path: Path
) -> None:
    rows = made_pairs(48, prompts=16)
    methods = ("top-norm", "spice:pair_gradient=chosen")
    done = spice_select.compare(corpus(rows), methods=methods, **tuned)
    assert done.failures == ()
    assert done.ruling is not None
    held = {"pool", f"pool{ERRORS}", f"pool{MARGIN}", f"pool{FREE_ERRORS}"}
    assert {one.bed.held for one in done.ruling.sets} == held
    assert [one.bed.held for one in done.ruling.primaries] == ["pool"]
    primary = done.ruling.primaries[0].compared
    assert done.ruling.terms.endpoint.name == "macro over sources of the loss per pair"
    assert primary.terms.endpoint.name == "loss per pair", "of three prompts a source has one"
    assert primary.untuned == pytest.approx(np.log(2))
    lines = [(tmp_path / "c" / name).read_text().splitlines() for name in ("pool.jsonl", "judges/pool.jsonl")]
    prompts = [{json.dumps(json.loads(line)["prompt"]) for line in part} for part in lines]
    assert not prompts[0] & prompts[1]
    assert len(lines[1]) == 3 * len(prompts[1]) == 9
    record = json.loads((tmp_path / "c" / "records" / "top-norm--0.json").read_text())
    assert [one["name"] for one in record["held"]] == ["pool", f"pool{ERRORS}", f"pool{MARGIN}", f"pool{FREE_ERRORS}"]
    manifest = json.loads((tmp_path / "c" / "trained" / "top-norm--0" / "manifest.json").read_text())
    assert (manifest["identity"]["loss"], manifest["identity"]["learning_rate"]) == ("dpo", 5e-6)
    assert any("1 less preference accuracy" in note for note in done.notes)
    again = read_comparison(tmp_path / "c")
    assert again.to_json() == json.loads(json.dumps(done.to_json()))
    assert "loss per pair" in (tmp_path / "c" / "report.md").read_text()


def test_every_kind_of_arm_for_pairs_chooses(corpus: Corpus, options: dict[str, Any]) -> None:
    methods = ("information", "top-norm", "longest", "margin-high", "margin-low", "spice:pair_gradient=chosen", "spice")
    done = spice_select.compare(corpus(made_pairs(24)), methods=methods, **{**options, "seeds": (0,)})
    assert done.failures == ()
    assert {one.arm for one in done.facts} == {"random", *methods}
    assert all(one.gradients is not None for one in done.facts)


def test_methods_that_take_no_pairs_are_refused_with_their_reasons(corpus: Corpus, options: dict[str, Any]) -> None:
    unable = [method for method in METHODS if method.no_pairs and not method.in_loop and not method.requires_target]
    methods = tuple(method.name for method in unable)
    pool = corpus(made_pairs(24))
    with pytest.raises(InputError) as refused:
        spice_select.compare(pool, methods=methods, **{**options, "sketch_dim": 4096})
    for method in unable:
        assert f"{method.name}: --method {method.name} on preference pairs: {method.no_pairs}" in str(refused.value)
    marked = [{"prompt": "q", "completion": str(n), "label": bool(n % 2)} for n in range(24)]
    with pytest.raises(InputError, match="answers marked good or bad are not compared"):
        spice_select.compare(corpus(marked, name="kto.jsonl"), methods=("random",), model=options["model"])


def test_what_a_comparison_of_pairs_cannot_honour_is_refused(corpus: Corpus, tuned: dict[str, Any]) -> None:
    pool, answers = corpus(made_pairs(24)), corpus(name="answers.jsonl")
    for asked, words in (
        ({"gold": (str(answers),)}, "--gold on preference pairs"),
        ({"train_full": True}, "--train-full on preference pairs"),
        (
            {"held_out": str(answers), "held_out_rows": None},
            r"answers.jsonl: messages rows, and the pool has preference",
        ),
    ):
        with pytest.raises(InputError, match=words):
            spice_select.compare(pool, methods=("random",), **{**tuned, "sketch_dim": 4096, **asked})
    plain = {name: value for name, value in tuned.items() if name not in ("sketch_dim", "held_out_rows")}
    with pytest.raises(InputError, match=r"pairs.jsonl: preference pairs, and the pool has messages rows"):
        spice_select.compare(answers, methods=("random",), held_out=str(corpus(made_pairs(9), "pairs.jsonl")), **plain)
