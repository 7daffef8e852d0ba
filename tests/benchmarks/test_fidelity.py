"""The fidelity benchmark sketches whole gradients as the engine does, and judges the sketches rightly."""

import numpy as np
import pytest
from benchmarks.fidelity import exact
from benchmarks.fidelity.plot import draw
from benchmarks.fidelity.stability import stability
from benchmarks.fidelity.sweep import Family, families, picks, sketched, sweep
from benchmarks.gradients.rows import generated_rows

from spice_select.gradients import HookEngine, LoraGradients
from spice_select.gradients.fidelity import inner_products
from spice_select.selection import Conflict, naive
from spice_select.sketch import Identity, Kronecker, SparseJL
from spice_select.testing.models import VOCABULARY, tiny_model

ROWS = generated_rows(VOCABULARY, 12, 20)


@pytest.fixture(scope="module")
def model():
    return tiny_model("llama")


@pytest.fixture(scope="module")
def whole(model):
    return exact.exact_gradients(model, ROWS, 64)[0]


@pytest.mark.parametrize("sketch", [SparseJL(64), SparseJL(64, nonzeros=2), Kronecker(64, 8)])
def test_sketching_whole_gradients_equals_the_engine_with_that_sketch(model, whole, sketch):
    blocks = LoraGradients().coverage(model).blocks
    engine = HookEngine(LoraGradients(), sketch).features(model, ROWS).features
    np.testing.assert_allclose(sketched(whole, blocks, sketch), engine, rtol=1e-3, atol=2e-5 * np.abs(engine).max())


def test_no_sketch_means_no_error_no_flip_and_the_same_picks(model, whole):
    blocks = LoraGradients().coverage(model).blocks
    blind, record = sweep(whole, blocks, iter([Family(kind="none", dim=whole.shape[1], sketches=(Identity(),))]))
    assert record["cosine_error"] == record["sign_flips"] == record["relative_error"] == 0
    assert set(record["overlap"].values()) == set(record["retained"].values()) == {1.0}
    assert blind["retained"]["raw 10%"] < 1  # one pick: the row with the largest norm is the best there is


def test_a_longer_sketch_is_closer(model, whole):
    blocks = LoraGradients().coverage(model).blocks
    short, long = [r for r in sweep(whole, blocks, families([16, 4096], 3, [])) if r["kind"] == "sparse-jl"]
    assert long["cosine_error"] < short["cosine_error"] / 4


def test_picks_from_a_gram_matrix_are_those_from_the_rows_themselves():
    rows = np.random.default_rng(3).standard_normal((20, 9))
    found = picks(inner_products(rows.astype(np.float32)))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert found["raw 20%"] == set(naive(rows, 4, penalty=Conflict(0.1)).indices.tolist())
    assert found["unit 30%"] == set(naive(unit, 6, penalty=Conflict(0.1)).indices.tolist())


def test_kept_gradients_are_read_back_for_the_same_rows_alone(model, tmp_path, monkeypatch):
    first = exact.kept_gradients(tmp_path, "tiny", model, ROWS[:3], 64)
    calls = []
    monkeypatch.setattr(exact, "exact_gradients", lambda *a: calls.append(a) or (np.zeros((2, 1)), np.zeros(2)))
    again = exact.kept_gradients(tmp_path, "tiny", model, ROWS[:3], 64)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not calls
    exact.kept_gradients(tmp_path, "tiny", model, ROWS[:2], 64)
    exact.kept_gradients(tmp_path, "another", model, ROWS[:3], 64)
    assert len(calls) == 2


def test_the_picture_is_written(model, whole, tmp_path):
    pytest.importorskip("matplotlib")
    blocks = LoraGradients().coverage(model).blocks
    draw(list(sweep(whole, blocks, families([16, 64], 1, []))), "tiny", tmp_path / "tiny.svg")
    assert (tmp_path / "tiny.svg").read_text(encoding="utf-8").count("kronecker-p32") >= 1


def test_the_features_of_a_run_agree_with_themselves_and_less_when_shortened(whole):
    long = whole[:, :512]
    blind, same, short = stability(long, [512, 8], seeds=2)
    assert (same["dim"], short["dim"]) == (512, 8)
    assert set(same["overlap"].values()) == {1.0}
    assert short["cosine_change"] > 0.1
    assert blind["kind"] == "random"
