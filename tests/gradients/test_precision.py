"""Laws of the gradients in either precision, each held to what rounding alone may do (`tests/rounding.py`)."""

import functools

import numpy as np
import pytest
import torch

from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoopEngine, LoraGradients
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.layers import linear_layers
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, Kronecker, SparseJL
from spice_select.testing.engine import sample_batch, sample_example
from spice_select.testing.models import ARCHITECTURES, tiny_model
from tests.rounding import Reach

from .test_engines_agree import attached, warm

PARAMETERS = [LoraGradients(LoraSpec(rank=4)), FullWeights(), LastLayer()]
DTYPES = [torch.float32, torch.bfloat16]
BATCH = sample_batch()
pytestmark = pytest.mark.filterwarnings("ignore:.*weight matrices of Mixtral")
in_either = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "bfloat16"])


@functools.lru_cache(maxsize=64)
def case(architecture, dtype, parameters=PARAMETERS[0], sketch=None):
    """Model, engine, and where rounding may bring the batch."""
    model = warm(architecture.removeprefix("warm-")) if architecture.startswith("warm-") else tiny_model(architecture)
    model, engine = model.to(dtype), HookEngine(parameters, sketch or Identity())
    return model, engine, Reach(model, engine, BATCH)


@in_either
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "warm-llama"])
def test_both_engines_find_the_truth_to_within_rounding(architecture, dtype):
    model, engine, reach = case(architecture, dtype)
    reach.check(engine.features(model, BATCH))
    reach.check(LoopEngine(engine.parameters, engine.sketch).features(model, BATCH))


@in_either
@pytest.mark.parametrize("sketch", [SparseJL(64), Kronecker(64, side=4)], ids=lambda sketch: sketch.name)
@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda parameters: parameters.name)
def test_so_they_do_for_all_parameters_and_sketches(parameters, sketch, dtype):
    model, engine, reach = case("qwen2", dtype, parameters, sketch)
    found = engine.features(model, BATCH)
    assert found.features.dtype == np.float32
    reach.check(found)


@in_either
@pytest.mark.parametrize("architecture", ["llama", "gemma3", "gpt2"])
@pytest.mark.parametrize("company", ["alone", "reversed", "beside a longer row", "in pairs"])
def test_company_moves_a_row_by_no_more_than_rounding(architecture, dtype, company):
    model, engine, reach = case(architecture, dtype)
    for rows in {
        "alone": [[row] for row in range(5)],
        "reversed": [[4, 3, 2, 1, 0]],
        "beside a longer row": [[0], [1], [3], [4]],
        "in pairs": [[0, 3], [2, 4], [1, 2]],
    }[company]:
        batch = [BATCH[row] for row in rows]
        extra = [sample_example(9, 40, 1)] if company == "beside a longer row" else []
        found = engine.features(model, [*batch, *extra])
        kept = type(found)(**{name: getattr(found, name)[: len(rows)] for name in ("features", "losses", "norms")})
        reach.check(kept, rows)


@in_either
def test_the_bound_would_find_what_is_not_rounding(dtype):
    """A scale off by a third, a token too many, a row for its neighbour: each lies outside."""
    model, engine, reach = case("llama", dtype)
    found = engine.features(model, BATCH)
    longer = [type(e)(e.row, e.input_ids, np.arange(len(e.input_ids)) > 0, "", "") for e in BATCH]
    wrong = {
        "scale": type(found)(features=found.features * 4 / 3, losses=found.losses, norms=found.norms * 4 / 3),
        "tokens": engine.features(model, longer),
        "rows": type(found)(features=found.features[::-1], losses=found.losses[::-1], norms=found.norms[::-1]),
    }
    for fault, result in wrong.items():
        with pytest.raises(AssertionError):
            reach.check(result)
        assert reach.share < {torch.float32: 1e-4, torch.bfloat16: 0.2}[dtype], fault


@in_either
def test_an_adapter_with_b_at_zero_has_the_gradients_of_a_fresh_one(dtype):
    """A proxy about to move begins where one that stands still is: A is float32 in both, and not rounded."""
    plain, spec = tiny_model("llama").to(dtype), LoraSpec(rank=4, alpha=12.0)
    fresh = HookEngine(LoraGradients(spec), Identity()).features(plain, BATCH)
    adapted = attached(tiny_model("llama").to(dtype)).eval()
    found = HookEngine(LoraGradients(), Identity()).features(adapted, BATCH)
    start, halves = 0, []
    for block in LoraGradients().coverage(adapted).blocks:
        if block.name.endswith(".lora_B"):
            halves.append(found.features[:, start : start + block.size])
        start += block.size
    np.testing.assert_allclose(np.concatenate(halves, axis=1), fresh.features, rtol=1e-4, atol=1e-5)


def test_in_half_precision_a_fresh_adapters_a_is_not_rounded():
    """The static capture keeps X Aᵀ as PEFT has it: in float32, of the A that was drawn."""
    model = tiny_model("llama").bfloat16()
    capture = PARAMETERS[0].captures(model)[0]
    inputs = torch.randn(1, 7, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    drawn = initial_a(linear_layers(model)[0], 4, 0)
    torch.testing.assert_close(capture.keep(inputs), inputs.float() @ drawn.T, rtol=1e-6, atol=1e-7)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("sketch", [SparseJL(64), Kronecker(64, side=4)], ids=lambda s: s.name)
@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda p: p.name)
def test_a_gpu_gives_what_the_processor_gives(parameters, sketch):
    batch = sample_batch()
    there = HookEngine(parameters, sketch).features(tiny_model("llama").cuda(), batch)
    here = HookEngine(parameters, sketch).features(tiny_model("llama"), batch)
    np.testing.assert_allclose(there.features, here.features, rtol=1e-3, atol=1e-4)
