"""The whole way on a tiny proxy: files in, a verdict and a command out that runs."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spice_select
from spice_select.errors import InputError
from spice_select.outlook import stage
from spice_select.outlook.cases import NONE, REDUNDANT
from spice_select.store import FeatureBlock
from tests.conftest import make_sums
from tests.pipeline.test_pairs import made_pairs

Corpus = Callable[..., Path]


@pytest.fixture
def options(tiny_proxy: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 512}


def test_sums_for_sums_are_no_case_and_the_command_runs(
    corpus: Corpus, options: dict[str, Any], spice: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pool, target = corpus(make_sums(120)), corpus(make_sums(16, 7), "target.jsonl")
    found = spice_select.headroom(pool, target, sample=80, **options)
    assert found.verdict == NONE
    assert found.cases == ()
    assert (found.sampled, found.tried) == (80, 10)
    assert found.picks == round(0.1 * found.rows)
    assert found.sentence.startswith("Your target rows look like your pool.")
    assert found.explained.rows == 40
    assert found.tasks[0].rows == 8, "half of the target judges"
    assert found.drawn.cosines.mean() == pytest.approx(found.drawn.expected, abs=0.05)
    assert any("was not judged" in note for note in found.notes), "a proxy that knows nothing"
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["verdict"] == NONE
    (command,) = found.commands
    code, _, err = spice(*shlex.split(command)[1:])
    assert (code, err) == (0, "")


def test_the_seed_decides(corpus: Corpus, options: dict[str, Any]) -> None:
    pool = corpus(make_sums(120))
    first, again, other = (spice_select.headroom(pool, sample=60, seed=seed, **options).to_json() for seed in (0, 0, 1))
    assert first == again
    assert first["explained"] != other["explained"]


def test_planted_copies_are_redundant_in_the_whole_pool_and_a_small_pool_is_taken_whole(
    corpus: Corpus, options: dict[str, Any]
) -> None:
    rows = make_sums(80)
    found = spice_select.headroom(corpus([*rows, *rows[:20]]), sample=60, **options)
    assert found.verdict == REDUNDANT
    assert (found.texts.rows, found.texts.counts["duplicate"], found.sampled) == (100, 20, 60)
    assert "--without-suspects duplicate near-duplicate" in found.commands[0]
    assert spice_select.headroom(corpus(rows), sample=500, **options).sampled == 80


def test_a_cluster_like_the_target_and_wrong_answers_are_found(
    corpus: Corpus, options: dict[str, Any], monkeypatch
) -> None:
    """Gradients and losses are planted: what is tried here is the way from features to the verdict."""
    monkeypatch.setattr(stage, "features_in_memory", planted)
    pool, target = corpus(make_sums(200)), corpus(make_sums(20, 7), "target.jsonl")
    found = spice_select.headroom(pool, target, sample=200, **options)
    assert [case.name for case in found.cases] == ["targeted", "noisy"]
    assert found.mismatches.listed == pytest.approx(0.25 * found.rows, abs=2)
    assert found.commands[0].startswith(f"spice select {pool} --target {target}")
    assert found.sentence.startswith("Picks for the target explain")
    noisy = spice_select.headroom(pool, sample=200, **options)
    assert noisy.verdict == "noisy"
    assert noisy.commands[1].endswith("--unprompted")


def planted(compute, examples, *, batch_tokens: int, advance) -> FeatureBlock:
    """One row in twenty, and every row of the target, points along six axes; to one in four the question is no help."""
    rows = np.array([example.row for example in examples])
    draw = np.random.default_rng(len(rows))
    vectors = draw.normal(size=(len(rows), 60)) * np.arange(1, 61) ** -0.5
    near = rows % 20 == 0 if len(rows) > 20 else np.ones(len(rows), bool)
    vectors[near] = np.pad(draw.normal(size=(int(near.sum()), 6)), ((0, 0), (54, 0)))
    alone = compute.__qualname__.startswith("ForwardFeature")
    return FeatureBlock(
        rows=rows,
        columns={
            "loss": np.where(rows % 4 == 1, 1.5, 3.0) if alone else np.full(len(rows), 2.0),
            "tokens": np.array([example.num_tokens for example in examples]),
            "supervised": np.array([example.num_supervised for example in examples]),
        },
        finite=np.ones(len(rows), bool),
        features=vectors.astype(np.float32),
    )


@pytest.mark.parametrize(
    ("count", "asked", "words"),
    [
        (49, {}, ["49 usable rows", "50 are needed"]),
        (60, {"budget": 60}, ["--budget 60", "every usable row"]),
        (60, {"budget": 61}, ["more rows than the 60"]),
        (60, {"sample": 49}, ["sample = 49"]),
    ],
    ids=str,
)
def test_what_cannot_be_looked_at_is_refused(
    count: int, asked: dict[str, Any], words: list[str], corpus: Corpus, options: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as fault:
        spice_select.headroom(corpus(make_sums(count)), **{**options, **asked})
    assert all(word in str(fault.value) for word in words)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], ["target.jsonl", "empty"]),
        ([{"question": "1 + 1?", "answer": "2"}], ["has one row that can be used"]),
        (
            [*({"question": f"{n} + 1?", "answer": "2", "task": "a"} for n in range(4)),
             {"question": "why?", "answer": "so", "task": "b"}],
            ["task 'b' has one row that can be used"],
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_target_that_cannot_be_halved_is_refused(
    rows: list[dict[str, Any]], words: list[str], corpus: Corpus, options: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as fault:
        spice_select.headroom(corpus(make_sums(60)), corpus(rows, "target.jsonl"), **options)
    assert all(word in str(fault.value) for word in words)


def test_the_command_prints_the_verdict_and_writes_json(
    corpus: Corpus, tiny_proxy: Path, spice: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    rows = make_sums(80)
    pool = corpus([*rows, *rows[:20]])
    code, out, err = spice(
        "headroom", pool, "--model", tiny_proxy, "--sketch-dim", 64, "--warm", "--json", tmp_path / "found.json"
    )
    assert (code, err) == (0, "")
    assert "verdict: redundant" in out
    assert "20 word for word" in out
    assert f"spice select {pool}" in out
    assert json.loads((tmp_path / "found.json").read_text())["verdict"] == REDUNDANT
    code, out, err = spice("headroom", pool, "--model", tiny_proxy, "--json", tmp_path)
    assert (code, out) == (2, "")  # before a row is read
    assert "is a folder, and a file is written whole" in err
    code, _, err = spice("headroom", corpus(make_sums(9), "few.jsonl"), "--model", tiny_proxy)
    assert code == 2
    assert "9 usable rows" in err


def test_pairs_are_looked_at_too(
    corpus: Corpus, options: dict[str, Any], spice: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = made_pairs(60)
    pool = corpus([*rows, *rows[:10], {**rows[0], "chosen": rows[0]["rejected"], "rejected": rows[0]["chosen"]}])
    found = spice_select.headroom(pool, sample=60, **options)
    assert (found.rows, found.sampled, found.mismatches) == (70, 60, None)
    assert found.verdict == REDUNDANT
    assert found.texts.counts["duplicate"] == 10
    assert "has not been shown here" in found.sentence
    assert "nats a token" not in found.sentence
    assert any("the preferred answer is the longer one in" in note for note in found.notes)
    assert any("prefer what an earlier pair" in note for note in found.notes)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["mismatches"] is None
    select, compare = found.commands
    code, _, err = spice(*shlex.split(select)[1:])
    assert (code, err) == (0, "")
    assert compare.endswith("--train")
    code, said, _ = spice("headroom", pool, "--model", options["model"], "--sketch-dim", 64, "--sample", 60)
    assert code == 0
    assert "not judged: a pair has two answers" in said
    code, _, err = spice("headroom", pool, "--model", options["model"], "--target", corpus(make_sums(16), "t.jsonl"))
    assert code == 2
    assert "--target on preference pairs" in " ".join(err.split())
