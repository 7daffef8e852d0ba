"""Float16: small gradients are not rounded away, and ones that would overflow for it are taken without lift."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from spice_select.features.warmup import _share
from spice_select.gradients import FullWeights, HookEngine, LoopEngine, LoraGradients, TokenMean, lift
from spice_select.gradients.pairs.dpo import DpoReference
from spice_select.gradients.pairs.weights import AnswerSums
from spice_select.gradients.preconditioner import AdamDiagonal, AdamState, AdamUpdate, Moments
from spice_select.models.lora import adapter_weights
from spice_select.sketch import Identity, Kronecker
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import tiny_model
from tests.schedules.interleaved.test_steps import trainer

from .pair_cases import made_pair
from .test_engines_agree import warm

FAINT = 2.0**-20
BATCH = sample_batch()
PAIRS = [made_pair(row, 4, 1, 3, 4 + row) for row in range(3)]


@dataclass(frozen=True)
class Faint:
    """Losses, or tokens of pairs, that count a millionth."""

    name: str = "faint"

    def token_weights(self, *given):
        return (TokenMean() if len(given) == 1 else AnswerSums()).token_weights(*given) * FAINT


@pytest.mark.parametrize("engine", [HookEngine, LoopEngine], ids=lambda engine: engine.__name__)
@pytest.mark.parametrize("parameters", [LoraGradients(), FullWeights()], ids=lambda parameters: parameters.name)
@pytest.mark.parametrize("batch", [BATCH, PAIRS], ids=["answers", "pairs"])
@pytest.mark.parametrize("sketch", [Identity(), Kronecker(64, side=4)], ids=lambda sketch: sketch.name)
def test_what_a_row_counts_changes_its_gradients_length_alone(engine, parameters, batch, sketch):
    model = tiny_model("llama").half()
    whole = engine(parameters, sketch).features(model, batch)
    faint = engine(parameters, sketch, loss=Faint(), pairs=Faint()).features(model, batch)
    np.testing.assert_allclose(faint.features / FAINT, whole.features, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(faint.norms / FAINT, whole.norms, rtol=1e-5)
    np.testing.assert_allclose(faint.losses / FAINT, whole.losses, rtol=1e-5)


@pytest.mark.parametrize("kind", [AdamUpdate, AdamDiagonal])
def test_a_preconditioner_is_given_the_gradients_as_they_are(kind):
    model = warm("llama")
    moments = {
        name: Moments(torch.full_like(w, 0.01), torch.full_like(w, 1e-4)) for name, w in adapter_weights(model).items()
    }
    engine = HookEngine(LoraGradients(), Identity(), preconditioner=kind(AdamState(moments=moments, steps=3)))
    exact = engine.features(model, BATCH).features
    found = engine.conditioned(model.half(), engine.preconditioner).features(model, BATCH).features
    assert np.linalg.norm(found - exact) < 0.01 * np.linalg.norm(exact)


@pytest.mark.parametrize("engine", [HookEngine, LoopEngine], ids=lambda engine: engine.__name__)
@pytest.mark.parametrize("batch", [BATCH, BATCH[:1]], ids=["several rows", "one row"])
def test_what_overflows_with_lift_is_taken_without(engine, batch, monkeypatch):
    model = tiny_model("llama").half()
    due = engine(sketch=Identity()).features(model, batch)
    monkeypatch.setattr(lift, "_HIGHEST", 2.0**40)
    found = engine(sketch=Identity()).features(model, batch)
    assert found.finite.all()
    np.testing.assert_allclose(found.features, due.features, atol=0.01 * float(np.abs(due.features).max()))


@pytest.mark.parametrize("rows", [BATCH, PAIRS], ids=["answers", "pairs"])
def test_a_row_among_many_moves_a_training_by_as_much_less(rows):
    one = trainer()
    model = one.model.half()
    weights = adapter_weights(model)
    for weight in weights.values():
        weight.requires_grad_(True)
    held, many = DpoReference(AnswerSums()), round(1 / FAINT)
    few = _share(model, weights, rows, loss=TokenMean(), reference=held, among=8)
    faint = _share(model, weights, rows, loss=TokenMean(), reference=held, among=8 * many)
    one._parameters = weights
    piece, small = (one.piece(rows, 8 * times, 0).gradient for times in (1, many))
    for name in few:
        torch.testing.assert_close(faint[name] / FAINT, few[name], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(small[name] / FAINT, piece[name], rtol=1e-5, atol=1e-6)
