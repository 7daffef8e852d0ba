"""Other dtypes and devices: contractions stay in float32, and the features stay the same up to the dtype's rounding."""

import numpy as np
import pytest
import torch

from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoopEngine, LoraGradients
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, Kronecker, SparseJL
from spice_select.testing.models import tiny_model

from .examples import mixed_batch

PARAMETERS = [LoraGradients(LoraSpec(rank=4)), FullWeights(), LastLayer()]


def row_cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda p: p.name)
def test_bfloat16_gives_float32_features_that_point_the_same_way(parameters):
    batch = mixed_batch()
    half = HookEngine(parameters, Identity()).features(tiny_model("llama").bfloat16(), batch)
    full = HookEngine(parameters, Identity()).features(tiny_model("llama"), batch)
    assert half.features.dtype == np.float32
    assert row_cosines(half.features, full.features).min() > 0.99
    np.testing.assert_allclose(half.losses, full.losses, rtol=0.05)


def test_bfloat16_agrees_with_the_loop_in_bfloat16():
    model, batch = tiny_model("qwen2").bfloat16(), mixed_batch()
    fast = HookEngine(PARAMETERS[0], Identity()).features(model, batch)
    slow = LoopEngine(PARAMETERS[0], Identity()).features(model, batch)
    assert row_cosines(fast.features, slow.features).min() > 0.995


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("sketch", [SparseJL(64), Kronecker(64, side=4)], ids=lambda s: s.name)
@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda p: p.name)
def test_a_gpu_gives_what_the_processor_gives(parameters, sketch):
    batch = mixed_batch()
    there = HookEngine(parameters, sketch).features(tiny_model("llama").cuda(), batch)
    here = HookEngine(parameters, sketch).features(tiny_model("llama"), batch)
    np.testing.assert_allclose(there.features, here.features, rtol=1e-3, atol=1e-4)
