"""Suspects of a run: listed with reasons, left out only where that was asked for, and never in silence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import make_sums

import spice_select as spice_package
from spice_select.errors import InputError
from spice_select.features import FEATURES, FeatureRequest, stage
from spice_select.features.learnability import halved
from spice_select.run import parts as parts_module
from spice_select.run.exclusion import LOSSES, UNPROMPTED
from spice_select.run.origin import feature_store
from spice_select.run.suspects import SUSPECTS_FILE, suspects_of
from spice_select.store import FeatureBlock

Corpus = Callable[..., Path]
REPEATED, REFUSED = 40, 41
TAKEN = (LOSSES, UNPROMPTED)


def rows() -> list[dict[str, Any]]:
    """Forty sums, the first once more in other case, and a refusal."""
    found = make_sums(40)
    again = json.loads(json.dumps(found[0]).replace("What is", "WHAT  is"))
    refused = {"messages": [*found[1]["messages"][:1], {"role": "assistant", "content": "As an AI, I cannot say."}]}
    return [*found, again, {**refused, "source": "talk"}]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def options(tiny_proxy: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 256, "budget": "50%"}


def test_suspects_of_a_run_are_listed_and_nothing_is_dropped(corpus: Corpus, options, tmp_path) -> None:
    run = spice_package.select(corpus(rows()), out=tmp_path / "run", **options)
    before = (run.path / "selected.jsonl").read_bytes()
    found = run.suspects
    assert [suspect.row for suspect in found.of("duplicate")] == [REPEATED]
    assert [suspect.row for suspect in found.of("refusal")] == [REFUSED]
    assert set(found.unavailable) == {"unlearnable"}
    assert np.isfinite(found.scores("mismatched")).all()
    written = lines(run.path / SUSPECTS_FILE)
    assert [line["row"] for line in written] == [suspect.row for suspect in found.listed]
    repeat = next(line for line in written if line["kind"] == "duplicate")
    assert repeat["record"] == rows()[REPEATED]
    assert repeat["partners"] == [0]
    assert (run.path / "selected.jsonl").read_bytes() == before
    assert lines(run.path / "dropped.jsonl") == []


def test_what_is_left_out_is_recorded_and_the_gradients_are_shared(
    corpus: Corpus, options, tmp_path, monkeypatch
) -> None:
    real, parts = stage.compute_part, []
    monkeypatch.setattr(stage, "compute_part", lambda *a, **k: parts.append(1) or real(*a, **k))
    path = corpus(rows())
    with_all = spice_package.select(path, out=tmp_path / "runs" / "all", **{**options, "budget": "100%"})
    assert parts
    assert {REPEATED, REFUSED} <= set(with_all.row_numbers.tolist())
    parts.clear()
    kinds = {"without_suspects": ["duplicate", "refusal"], "budget": "100%"}
    without = spice_package.select(path, out=tmp_path / "runs" / "without", **{**options, **kinds})
    assert not parts, "the gradients are of all rows, so those of the first run are taken"
    assert set(range(42)) - set(without.row_numbers.tolist()) == {REPEATED, REFUSED}
    dropped = {line["row"]: (line["reason"], line["detail"]) for line in lines(without.path / "dropped.jsonl")}
    assert dropped[REPEATED] == ("suspect-duplicate", "the same words as row 0")
    assert dropped[REFUSED][0] == "suspect-refusal"
    assert without.summary.dropped == {"suspect-duplicate": 1, "suspect-refusal": 1}
    assert len(without.features.rows) == 42
    assert len(without.selection.indices) == 40


@pytest.mark.parametrize("method", ["random", "longest"])
def test_a_method_without_losses_knows_the_kinds_of_text(corpus: Corpus, options, tmp_path, method) -> None:
    asked = {"model": options["model"], "method": method, "budget": "100%"}
    run = spice_package.select(corpus(rows()), out=tmp_path / "run", without_suspects=(), **asked)
    assert {line["reason"] for line in lines(run.path / "dropped.jsonl")} >= {"suspect-duplicate", "suspect-refusal"}
    assert any("mismatched were not looked for" in note for note in run.summary.notes)
    found = run.suspects
    assert "mismatched" in found.unavailable
    assert "no losses" in found.unavailable["mismatched"]
    assert "`spice suspects RUN --unprompted` takes them" in found.unavailable["mismatched"], "the remedy holds"
    assert "mismatched" not in suspects_of(run, unprompted=True).unavailable
    assert [suspect.row for suspect in found.of("duplicate")] == [REPEATED]
    named = spice_package.select(corpus(rows()), out=tmp_path / "other", without_suspects=["mismatched"], **asked)
    assert {"losses", "unprompted-losses"} <= {path.name for path in named.path.iterdir()}, "asked for by name"
    assert not any("not looked for" in note for note in named.summary.notes)


def test_losses_that_were_interrupted_are_not_gone_by_and_are_gone_on_with(corpus: Corpus, options, tmp_path) -> None:
    asked = {"model": options["model"], "method": "random", "budget": "100%"}
    run = spice_package.select(corpus(rows()), out=tmp_path / "run", without_suspects=(), **asked)
    whole = suspects_of(run, unprompted=True)
    store = feature_store(run.path, run.manifest["identity"], "unprompted-losses")
    first = store.read(1)
    half = first.take(np.arange(len(first.rows) // 2))
    store.write(0, half)
    for part in range(1, store.count()):
        store.path(part).unlink()
    alone = suspects_of(run).scores("mismatched")
    assert alone is not None
    assert np.isfinite(alone).all(), "by the losses alone: half of the others say nothing of the rest"
    again = suspects_of(run, unprompted=True)
    assert again.unavailable == whole.unavailable
    np.testing.assert_array_equal(again.scores("mismatched"), whole.scores("mismatched"))


def test_an_interleaved_run_leaves_out_by_text_and_refuses_to_go_by_losses(corpus: Corpus, options, tmp_path) -> None:
    asked = {**options, "schedule": "interleaved", "pool_size": 10}
    with pytest.raises(InputError, match="mismatched with --schedule interleaved"):
        spice_package.select(corpus(rows()), out=tmp_path / "run", without_suspects=["mismatched"], **asked)
    run = spice_package.select(corpus(rows()), out=tmp_path / "run", without_suspects=["duplicate"], **asked)
    assert [line["row"] for line in lines(run.path / "dropped.jsonl")] == [REPEATED]
    assert REPEATED not in run.row_numbers


def test_a_changed_corpus_and_an_unknown_kind_are_refused(corpus: Corpus, options, tmp_path) -> None:
    asked = {"model": options["model"], "method": "random", "budget": "50%"}
    with pytest.raises(InputError, match="Did you mean 'refusal'"):
        spice_package.select(corpus(rows()), out=tmp_path / "run", without_suspects=["refusals"], **asked)
    run = spice_package.select(corpus(rows()), out=tmp_path / "run", **asked)
    corpus(rows()[1:])
    with pytest.raises(InputError, match="no longer those"):
        suspects_of(run)


def test_nothing_left_is_refused(corpus: Corpus, options, tmp_path) -> None:
    refused = [{"prompt": f"q{i}", "completion": f"As an AI, I cannot say {i}."} for i in range(3)]
    asked = {"model": options["model"], "method": "random", "budget": 1}
    with pytest.raises(InputError, match="none is left"):
        spice_package.select(corpus(refused), out=tmp_path / "run", without_suspects=["refusal"], **asked)


def test_losses_without_the_question_are_used_where_a_run_has_them(corpus: Corpus, options, tmp_path) -> None:
    run = spice_package.select(corpus(rows()), out=tmp_path / "run", **options)
    block = run.features
    alone = FeatureBlock(
        rows=block.rows,
        columns={"loss": block.losses + np.where(block.rows == 5, -1.0, 1.0)},
        finite=np.ones(len(block.rows), bool),
    )
    feature_store(run.path, run.manifest["identity"], UNPROMPTED).write(0, alone)
    assert [suspect.row for suspect in suspects_of(run).of("mismatched")] == [5]


class Alone:
    """Losses without the question, as a run's feature; row 5's question is of no use. `losses` are all 2."""

    def __init__(self, name: str) -> None:
        self.name = self.summary = name

    def of(self, request: FeatureRequest) -> "Alone":
        return self

    def facts(self) -> dict[str, str]:
        return {}

    def open(self):
        return self._of

    def _of(self, batch) -> FeatureBlock:
        numbers = np.array([example.row for example in batch], np.int64)
        columns = {
            "loss": np.full(len(batch), 2.0) if self.name == LOSSES else np.where(numbers == 5, 1.0, 50.0),
            "tokens": np.array([example.num_tokens for example in batch]),
            "supervised": np.array([example.num_supervised for example in batch]),
        }
        return FeatureBlock(rows=numbers, columns=columns, finite=np.ones(len(batch), bool))


@pytest.mark.parametrize("method", ["spice", "random"])
def test_losses_without_the_question_are_taken_where_asked(
    corpus: Corpus, options, tmp_path, monkeypatch, method
) -> None:
    monkeypatch.setattr(parts_module, "FEATURES", {**{f.name: f for f in FEATURES}, **{n: Alone(n) for n in TAKEN}})
    asked = options if method == "spice" else {"model": options["model"], "budget": "50%"}
    run = spice_package.select(corpus(rows()), out=tmp_path / "run", method=method, **asked)
    found = suspects_of(run, unprompted=True)
    assert [suspect.row for suspect in found.of("mismatched")] == [5]
    assert (run.path / LOSSES).is_dir() is (method == "random"), "the gradients know the losses"
    assert [suspect.row for suspect in suspects_of(run).of("mismatched")] == [5], "what was taken is kept"


def test_learnability_is_computed_once_and_resumed(corpus: Corpus, options, tmp_path, monkeypatch) -> None:
    run = spice_package.select(corpus(rows()), out=tmp_path / "run", **options)
    scores = suspects_of(run, learnability=True).scores("unlearnable")
    assert scores.shape == (42,)
    assert np.isfinite(scores).all()
    monkeypatch.setattr(stage, "compute_part", lambda *a, **k: pytest.fail("it is there"))
    np.testing.assert_array_equal(suspects_of(run, learnability=True).scores("unlearnable"), scores)


def test_halves_are_disjoint_seeded_and_whole() -> None:
    first, second = halved(list(range(7)), 0)
    assert first | second == set(range(7))
    assert not first & second
    assert len(first) == 4
    assert halved(list(range(7)), 0) == (first, second) != halved(list(range(7)), 1)


def test_the_command_prints_kinds_reasons_and_where_they_are(corpus: Corpus, options, tmp_path, spice) -> None:
    written = rows()
    written[REFUSED]["messages"][1]["content"] += " \u001b[31m[red]"
    path = corpus(written)
    code, _, _ = spice("select", path, "--out", tmp_path / "run", "--method", "random", "--model", options["model"])
    assert code == 0
    code, out, _ = spice("suspects", tmp_path / "run")
    assert code == 0
    assert "the same words as row 0" in out
    assert "no losses are known" in out
    assert SUSPECTS_FILE in "".join(out.split())
    assert "\u001b[31m" not in out
    code, out, err = spice(
        "select", path, "--out", tmp_path / "two", "--method", "random", "--model", options["model"],
        "--without-suspects", "refusal", "duplicate",
    )  # fmt: skip
    assert code == 0, err
    assert len(lines(tmp_path / "two" / "dropped.jsonl")) == 2
    code, _, err = spice(
        "select", path, "--out", tmp_path / "all", "--method", "random", "--model", options["model"],
        "--without-suspects",
    )  # fmt: skip
    assert code == 0, err
    assert len(lines(tmp_path / "all" / "dropped.jsonl")) >= 2
    code, _, err = spice("select", path, "--out", tmp_path / "three", "--without-suspects", "refusals")
    assert code == 2
    assert "Did you mean 'refusal'" in " ".join(err.split())
