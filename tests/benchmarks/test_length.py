"""The length benchmark derives the token sum from the token mean, and recognises a bias it was given."""

import numpy as np
import pytest
from benchmarks.gradients.rows import generated_rows
from benchmarks.length.bias import length_bias, scaled

from spice_select.gradients import HookEngine, LoraGradients, TokenMean, TokenSum
from spice_select.sketch import SparseJL
from spice_select.testing.models import VOCABULARY, tiny_model


def test_the_sum_follows_from_the_mean_without_a_second_pass():
    model, rows = tiny_model("llama"), generated_rows(VOCABULARY, 8, 30)
    mean, total = (
        HookEngine(LoraGradients(), SparseJL(64), loss).features(model, rows) for loss in (TokenMean(), TokenSum())
    )
    lengths = np.array([e.num_supervised for e in rows])
    features, norms = scaled(mean.features, mean.norms, lengths)["token-sum"]
    np.testing.assert_allclose(features, total.features, rtol=1e-3, atol=2e-5 * np.abs(total.features).max())
    np.testing.assert_allclose(norms, total.norms, rtol=1e-5)


def test_a_planted_power_law_is_found_and_unit_norms_remove_it():
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 400, 200)
    directions = rng.standard_normal((200, 32))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    norms = 3.0 * lengths**-0.5
    found = length_bias((directions * norms[:, None]).astype(np.float32), norms, lengths)["reductions"]
    assert found["token-mean"]["slope"] == pytest.approx(-0.5)
    assert found["token-mean"]["correlation"] == pytest.approx(-1)
    assert found["token-mean"]["rank_correlation"] == pytest.approx(-1)
    assert found["token-sum"]["slope"] == pytest.approx(0.5)
    tenth = {name: record["chosen"]["10%"] for name, record in found.items()}
    assert tenth["token-mean"]["length_quantile"] < 0.3
    assert tenth["token-sum"]["length_quantile"] > 0.7
    assert 0.35 < tenth["unit-norm"]["length_quantile"] < 0.65


def test_choosing_everything_chooses_all_tokens_at_the_middle_quantile():
    lengths = np.array([3, 3, 8, 20, 5])
    features = np.eye(5, dtype=np.float32)
    everything = length_bias(features, np.arange(1.0, 6.0), lengths, budgets=(1.0,))["reductions"]["unit-norm"][
        "chosen"
    ]["100%"]
    assert everything["supervised_tokens"] == 39
    assert everything["share_of_tokens"] == 1.0
    assert everything["length_quantile"] == pytest.approx(0.5)
