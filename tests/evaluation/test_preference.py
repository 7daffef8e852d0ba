"""Held-out pairs: log-probabilities from the definition, numbers by hand, with and without a reference."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spice_select
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import PREFERENCE
from spice_select.data.records import PairExample, Row
from spice_select.errors import InputError
from spice_select.evaluation.preference import LENGTH_KINDS, PairLogProbs, length_kinds, preference_scores
from spice_select.models.load import load_model
from spice_select.numerics.clusters import clustered
from tests.data.cases import chat
from tests.evaluation.models import write_adapter
from tests.pipeline.test_pairs import made_pairs

Corpus = Callable[..., Path]


def record(log_probs: list[list[float]], tokens: list[list[int]], prompts: str, rows: list[int]) -> PairLogProbs:
    return PairLogProbs(
        rows=np.array(rows),
        prompts=tuple(prompts),
        log_probs=np.array(log_probs),
        tokens=np.array(tokens),
        truncated=0,
        dropped={},
        tokenizer="t",
    )


TOKENS = [[2, 4], [10, 9], [8, 2], [5, 5]]
FIRST = record([[-4.0, -6.0], [-20.0, -9.0], [-8.0, -3.0], [-5.0, -5.0]], TOKENS, "aabc", [0, 1, 2, 3])
TUNED = record([[-5.0, -9.0], [-19.0, -9.0], [-8.0, -3.0], [-7.0, -5.0]], TOKENS, "aabc", [0, 1, 2, 3])


def test_numbers_by_hand() -> None:
    """Δ is 2, 1, 0 and −2; the means of a token differ by −.25, −.9, .5 and −.4."""
    whole, *kinds = preference_scores(TUNED, FIRST, beta=0.5)
    assert whole.kind == "all"
    assert whole.free_accuracy.value == pytest.approx(1 / 4)
    assert whole.free_margin.value == pytest.approx((-0.25 - 0.9 + 0.5 - 0.4) / 4)
    assert whole.accuracy is not None
    assert whole.accuracy.value == pytest.approx((1 + 1 + 0.5 + 0) / 4)  # a tie counts ½
    assert whole.margin is not None
    assert whole.margin.value == pytest.approx(0.5 * (2 + 1 + 0 - 2) / 4)
    assert whole.median_margin is not None
    assert whole.median_margin.value == pytest.approx(0.5 * 0.5)
    assert whole.displacement is not None
    assert whole.displacement.value == pytest.approx((-1 + 1 + 0 - 2) / 4)
    assert [(one.kind, one.free_accuracy.count) for one in kinds] == list(zip(LENGTH_KINDS, (1, 2, 1), strict=True))
    assert kinds[1].accuracy is not None
    assert kinds[1].accuracy.value == pytest.approx(1 / 2)


def test_the_first_model_has_nothing_to_be_relative_to_and_pairs_are_matched_by_row() -> None:
    alone = preference_scores(FIRST, beta=0.1)[0]
    assert (alone.accuracy, alone.margin, alone.median_margin, alone.displacement) == (None,) * 4
    other = record([[-1.0, -2.0], [0.0, -7.0]], [[2, 4], [5, 5]], "ad", [0, 9])
    shared = preference_scores(TUNED, other, beta=1)[0]
    assert shared.margin is not None
    assert shared.margin.count == 1
    assert shared.margin.value == pytest.approx((-5 + 1) - (-9 + 2))
    assert math.isnan(shared.margin.stderr)


def test_lengths_within_a_tenth_are_alike() -> None:
    tokens = np.array([[9, 10], [10, 9], [8, 9], [90, 101], [1, 1], [3, 2]])
    short, alike, long = LENGTH_KINDS
    assert length_kinds(tokens).tolist() == [alike, alike, short, short, alike, long]


def test_the_error_is_over_prompts_not_pairs() -> None:
    rng = np.random.default_rng(0)
    of_prompt = rng.normal(size=200)
    copies = np.repeat(of_prompt, 5)
    found = clustered(copies, np.repeat(np.arange(200), 5).tolist(), lambda values: float(values.mean()))
    assert found.count == 1000
    assert found.stderr == pytest.approx(of_prompt.std(ddof=1) / math.sqrt(200), rel=0.1)
    naive = clustered(copies, list(range(1000)), lambda values: float(values.mean()))
    assert naive.stderr < 0.6 * found.stderr
    one = clustered(copies, ["p"] * 1000, lambda values: float(np.median(values)))
    assert math.isnan(one.stderr)
    assert one.value == np.median(copies)


def test_a_record_survives_json() -> None:
    again = PairLogProbs.from_json(json.loads(json.dumps(TUNED.to_json())))
    assert preference_scores(again, FIRST, beta=0.1) == preference_scores(TUNED, FIRST, beta=0.1)


def by_definition(folder: Path, rows: list[dict[str, Any]], adapter: Path | None = None) -> list[list[float]]:
    """Log-probabilities of both answers, one sequence at a time, from whole logits in float64."""
    from peft import PeftModel

    loaded = load_model(str(folder), device="cpu", dtype="float32")
    model = loaded.model if adapter is None else PeftModel.from_pretrained(loaded.model, str(adapter))
    model.eval()
    numbered = [Row(number=n, raw=raw, where="") for n, raw in enumerate(rows)]
    encoded = encode_rows(numbered, PREFERENCE, Encoder(loaded.tokenizer, max_length=1024))
    return [
        [_log_prob(model, side) for side in pair.sequences]
        for pair in encoded.examples
        if isinstance(pair, PairExample)
    ]


def _log_prob(model: Any, example: Any) -> float:
    ids = torch.tensor(example.input_ids, dtype=torch.int64)[None]
    with torch.no_grad():
        every = torch.log_softmax(model(input_ids=ids).logits[0, :-1].double(), -1)
    found = every.gather(1, ids[0, 1:, None])[:, 0]
    return float(found[torch.from_numpy(example.supervised)[1:]].sum())


def test_pairs_from_files_to_the_table(
    corpus: Corpus, tiny_proxy: Path, tmp_path: Path, spice: Callable[..., tuple[int, str, str]]
) -> None:
    same = {"prompt": chat(("user", "x")), "chosen": chat(("assistant", "y")), "rejected": chat(("assistant", "y"))}
    rows = [*made_pairs(16, prompts=8), same]
    held = corpus(rows, "pairs.jsonl")
    adapter = write_adapter(tiny_proxy, tmp_path / "adapter")
    found = spice_select.evaluate(tiny_proxy, adapter, held_out=held, out=tmp_path / "out", beta=0.2, batch_tokens=200)
    first, second = found.models
    reference, tuned = by_definition(tiny_proxy, rows), by_definition(tiny_proxy, rows, adapter)
    gain = np.array(tuned) - np.array(reference)
    delta = gain[:, 0] - gain[:, 1]
    whole = second.preferences[0]
    assert whole.accuracy is not None
    assert whole.margin is not None
    assert whole.displacement is not None
    assert whole.accuracy.value == pytest.approx((delta > 0).mean())
    assert whole.margin.value == pytest.approx(0.2 * delta.mean(), rel=1e-4)
    assert whole.displacement.value == pytest.approx(gain[:, 0].mean(), rel=1e-4)
    assert first.preferences[0].accuracy is None
    assert first.losses == ()
    assert second.rows is not None
    assert (second.rows.given, second.rows.judged, second.rows.dropped) == (17, 16, {"identical-answers": 1})
    saved = json.loads(found.path.read_text())["models"][1]["preference"]
    assert saved[0]["margin"]["value"] == whole.margin.value
    code, said, error = spice(
        "evaluate", tiny_proxy, adapter, "--held-out", held, "--out", tmp_path / "out", "--beta", "0.2"
    )
    assert code == 0, error
    assert "prefers it more, %" in said
    assert "chosen shorter" in said


def test_beta_is_refused_where_nobody_reads_it(corpus: Corpus, tiny_proxy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--beta: only held-out preference pairs"):
        spice_select.evaluate(tiny_proxy, held_out=corpus(name="rows.jsonl"), out=tmp_path / "out", beta=0.5)
