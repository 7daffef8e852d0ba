"""Fidelity says how far a sketch can be trusted, and warns when it cannot."""

from dataclasses import replace

import numpy as np
import pytest

from spice_select.data.records import PairExample
from spice_select.errors import InputError
from spice_select.gradients import HookEngine, LoraGradients, fidelity
from spice_select.gradients.fidelity import Probe, compare, inner_products, judge_sketch, measure_fidelity
from spice_select.gradients.pairs.weights import DampedTails
from spice_select.models.lora import LoraSpec
from spice_select.progress import Silent
from spice_select.sketch import Identity, SparseJL
from spice_select.testing.engine import sample_example
from spice_select.testing.models import tiny_model

from .pair_cases import made_pair

PROBE = [sample_example(row, 4 + row % 9, 2) for row in range(24)]
LORA = LoraGradients(LoraSpec(rank=4))


def test_a_gram_matrix_summed_in_stretches_equals_the_product():
    vectors = np.random.default_rng(0).standard_normal((3, (1 << 16) + 7)).astype(np.float32)
    np.testing.assert_allclose(inner_products(vectors), vectors.astype(float) @ vectors.T.astype(float), rtol=1e-9)


def test_the_figures_are_those_of_their_definitions():
    exact = np.array([[1.0, 0.0], [1.0, 1.0], [-2.0, 0.5]], dtype=np.float32)
    sketched = np.array([[1.0, 0.5], [1.0, 1.0], [2.0, 0.5]], dtype=np.float32)
    found = compare(exact, sketched, sketch="by hand")
    cosine = lambda x, y: x @ y / np.linalg.norm(x) / np.linalg.norm(y)  # noqa: E731
    pairs = [(0, 1), (0, 2), (1, 2)]
    true = np.array([cosine(exact[i], exact[j]) for i, j in pairs])
    seen = np.array([cosine(sketched[i], sketched[j]) for i, j in pairs])
    assert found.cosine_error == pytest.approx(np.sqrt(np.mean((seen - true) ** 2)))
    assert found.cosine_spread == pytest.approx(np.sqrt(np.mean(true**2)))
    assert found.sign_flips == pytest.approx(2 / 3)
    inner = np.array([exact[i] @ exact[j] - sketched[i] @ sketched[j] for i, j in pairs])
    scale = np.array([exact[i] @ exact[j] for i, j in pairs])
    assert found.relative_error == pytest.approx(np.sqrt(np.mean(inner**2) / np.mean(scale**2)))
    rest = [exact.sum(0) - row for row in exact], [sketched.sum(0) - row for row in sketched]
    flips = [np.sign(exact[i] @ rest[0][i]) != np.sign(sketched[i] @ rest[1][i]) for i in range(3)]
    assert found.mean_sign_flips == pytest.approx(np.mean(flips))


def test_no_sketch_is_perfect():
    found = measure_fidelity(HookEngine(LORA, Identity()), tiny_model("llama"), PROBE)
    assert found.sign_flips == 0
    assert found.cosine_error == pytest.approx(0, abs=1e-6)
    assert found.warning == ""
    assert found.rows == len(PROBE)


def test_a_longer_sketch_is_nearer_and_a_short_one_is_warned_of_with_its_cure():
    model = tiny_model("llama")
    short, long = (measure_fidelity(HookEngine(LORA, SparseJL(dim)), model, PROBE) for dim in (4, 2048))
    assert long.cosine_error < short.cosine_error / 4
    assert long.warning == ""
    assert "too short for the conflict penalty" in short.warning
    suggested = int(short.warning.rsplit(" ", 1)[1])
    cured = measure_fidelity(HookEngine(LORA, SparseJL(suggested)), model, PROBE)
    assert suggested > 4
    assert cured.warning == ""


def test_a_probe_of_one_row_is_refused():
    with pytest.raises(InputError, match="at least two"):
        measure_fidelity(HookEngine(LORA, SparseJL(8)), tiny_model("llama"), PROBE[:1])


def judged(examples=PROBE, **probe):
    """The sketch of some rows judged, and the rows of each batch of exact gradients that was taken."""
    engine, model, taken = HookEngine(LORA, SparseJL(512)), tiny_model("llama"), []
    sketches = np.concatenate([engine.features(model, [example]).features for example in examples])
    real = HookEngine.features
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HookEngine, "features", lambda self, m, rows: taken.append(rows) or real(self, m, rows))
        asked = Probe(**{"rows": 9, "seed": 3, "batch_tokens": 10_000, **probe})
        return judge_sketch(engine, model, examples, sketches, asked, Silent()), taken


def figures(found):
    return [found.relative_error, found.norm_error, found.cosine_error, found.cosine_spread, found.sign_flips]


def test_a_probe_is_a_seeded_draw_and_its_batches_change_nothing():
    alone, batches = judged()
    together, fours = judged(together=4)
    assert [len(batch) for batch in batches] == [1] * 9
    assert [len(batch) for batch in fours] == [4, 4, 1]
    assert [batch[0].row for batch in batches] == np.random.default_rng(3).choice(24, 9, replace=False).tolist()
    assert sorted(row.row for batch in fours for row in batch) == sorted(batch[0].row for batch in batches)
    lengths = [row.num_tokens for batch in fours for row in batch]
    assert lengths == sorted(lengths)
    assert alone.rows == together.rows == 9
    np.testing.assert_allclose(figures(alone), figures(together), rtol=1e-4)
    assert figures(judged(seed=4)[0]) != figures(alone)


def test_where_whole_gradients_do_not_fit_the_rows_of_one_batch_are_compared(monkeypatch):
    alone, _ = judged()
    monkeypatch.setattr(fidelity, "_EXACT_BYTES", 0)
    found, batches = judged()
    assert len(batches) == 1
    np.testing.assert_allclose(figures(found), figures(alone), rtol=1e-4)
    few, batches = judged(batch_tokens=40)
    assert max(row.num_tokens for row in batches[0]) * len(batches[0]) <= 40
    assert 2 <= few.rows == len(batches[0]) < 9
    least, _ = judged(batch_tokens=1)
    assert least.rows == 2


VECTORS = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)


def test_rows_without_a_gradient_are_no_part_of_the_figures():
    some = compare(np.insert(VECTORS, [0, 3], 0, axis=0), np.insert(VECTORS * 2, [0, 3], 0, axis=0), sketch="s")
    assert some == compare(VECTORS, VECTORS * 2, sketch="s")
    assert some.rows == 6
    with pytest.raises(InputError, match="a probe of 1 rows with a finite gradient that is not zero"):
        compare(VECTORS * [[1], [0], [0], [0], [0], [0]], VECTORS, sketch="s")


def test_orthogonal_rows_have_no_size_of_inner_products():
    found = compare(np.eye(3, dtype=np.float32), VECTORS[:3], sketch="s")
    assert found.relative_error is None
    assert found.cosine_spread == 0


def begun(row: int) -> PairExample:
    """A pair whose chosen answer is the beginning of the rejected one."""
    long = made_pair(row, 4, 0, 8, 3).chosen
    short = replace(long, input_ids=long.input_ids[:9], supervised=long.supervised[:9])
    return PairExample(row, short, long, 5, prompt="", answers=("", ""))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_probe_of_pairs_of_which_some_have_no_gradient_is_judged_by_the_others(left, whole, monkeypatch):
    """With no weight beyond the shorter answer's end, one that begins the other has the zero vector."""
    if not whole:
        monkeypatch.setattr(fidelity, "_EXACT_BYTES", 0)
    pairs = [made_pair(row, 4, 1, 3, 4) for row in range(left)]
    same = [begun(row) for row in range(left, 5)]
    engine, model = HookEngine(LORA, SparseJL(64), pairs=DampedTails(0.0)), tiny_model("llama")
    sketched = engine.features(model, [*pairs, *same]).features
    assert not sketched[left:].any()
    found = judge_sketch(engine, model, [*pairs, *same], sketched, Probe(rows=5, seed=0, batch_tokens=4096), Silent())
    assert (found.rows == 2) if left == 2 else (found is None)


def test_one_row_has_no_inner_product():
    assert judged(PROBE[:1]) == (None, [])
    assert judged(PROBE[:2])[0].rows == 2
