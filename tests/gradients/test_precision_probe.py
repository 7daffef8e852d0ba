"""What rounding explains is derived on the model: it covers what rounding does, and little more than that."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from spice_select.gradients import HookEngine, LoopEngine, LoraGradients
from spice_select.gradients.precision_probe import (
    UNIT,
    Rounding,
    moved,
    other_precision,
    rounding_reach,
    too_dear,
    turn,
)
from spice_select.models.precision import DTYPES
from spice_select.sketch import Identity
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import tiny_model


def test_an_operation_is_off_by_the_unit_at_most_and_masks_stay():
    with Rounding({torch.float32: 1e-3}, seed=0):
        values = torch.ones(1000) * 3.0
        mask = torch.full((4,), torch.finfo(torch.float32).min) * 1.0
    off = (values / 3.0 - 1).abs()
    assert 0.9e-3 < off.max() <= 2.01e-3  # two operations: the ones, and the product
    assert torch.equal(mask, torch.full((4,), torch.finfo(torch.float32).min))


def test_a_product_is_off_by_what_its_sum_may_be():
    left, right = torch.ones(8, 256), torch.tensor([1.0, -1.0]).repeat(128)[:, None].expand(256, 8).contiguous()
    with Rounding({torch.float32: 0.0}, seed=0):
        product = left @ right  # zero, of terms that cancel
    allowed = 256**0.5 * UNIT[torch.float32] * 256
    assert 0.8 * allowed < product.abs().max() <= allowed


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2"])
def test_what_rounding_explains_covers_the_loop_company_and_the_other_precision(architecture: str, dtype: str):
    model, batch = tiny_model(architecture).to(DTYPES[dtype]), sample_batch()
    engine = HookEngine(LoraGradients(), Identity())
    together = engine.features(model, batch).features
    reach = rounding_reach(engine, model, batch, together)
    loop = LoopEngine(LoraGradients(), Identity()).features(model, batch).features
    alone = np.concatenate([engine.features(model, [example]).features for example in batch])
    assert moved(loop, together).largest < reach
    assert moved(alone, together).largest < reach
    assert UNIT[DTYPES[dtype]] < reach < 500 * UNIT[DTYPES[dtype]]  # and a wrong layer does not hide in it
    if dtype == "bfloat16":
        turn(model, "float32")
        assert moved(engine.features(model, batch).features, together).largest < reach


def test_a_draw_is_the_same_again():
    model, batch = tiny_model("llama"), sample_batch()
    engine = HookEngine(LoraGradients(), Identity())
    plain = engine.features(model, batch).features
    first, second = (rounding_reach(engine, model, batch, plain) for _ in range(2))
    assert first == second
    assert np.array_equal(engine.features(model, batch).features, plain)  # nothing is left of it


def test_a_model_turned_in_place_is_the_one_loaded_so():
    model, batch = tiny_model("llama"), sample_batch()
    engine = HookEngine(LoraGradients(), Identity())
    engine.features(model, batch)  # the engine knows the model already
    rotations = {name: buffer.clone() for name, buffer in model.named_buffers()}
    fresh = deepcopy(model)
    turn(model, "bfloat16")
    for weight in fresh.parameters():
        weight.data = weight.data.bfloat16()
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert all(torch.equal(buffer, rotations[name]) for name, buffer in model.named_buffers())
    there = engine.features(model, batch).features
    assert np.array_equal(there, HookEngine(LoraGradients(), Identity()).features(fresh, batch).features)


def test_moved_is_a_share_of_the_reference():
    reference = np.array([[3.0, 4.0], [0.0, 10.0], [1.0, 0.0]], np.float32)
    other = np.array([[3.0, 4.5], [0.0, 10.0], [1.0, 0.2]], np.float32)
    found = moved(reference, other)
    assert found.median == pytest.approx(0.1)
    assert found.largest == pytest.approx(0.2)


def test_halves_are_held_against_float32_and_that_against_bfloat16():
    assert [other_precision(dtype) for dtype in ("float32", "bfloat16", "float16")] == [
        "bfloat16",
        "float32",
        "float32",
    ]


def test_a_check_does_not_emulate_a_large_model(monkeypatch: pytest.MonkeyPatch):
    from spice_select.gradients import precision_probe

    model, batch = tiny_model("llama"), sample_batch()
    monkeypatch.setattr(precision_probe, "cpu_multiplies_bfloat16", lambda: False)
    assert too_dear(model, batch, "bfloat16") == ""  # a tiny one is quick all the same
    monkeypatch.setattr(precision_probe, "_EMULATED", 1)
    assert "emulate" in too_dear(model, batch, "bfloat16")
    assert too_dear(model, batch, "float32") == ""
    monkeypatch.setattr(precision_probe, "_AT_MOST", 10)
    assert "too many" in too_dear(model, batch, "float32")
