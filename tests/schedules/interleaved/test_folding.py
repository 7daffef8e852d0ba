"""Folding a warm adapter into the weights changes the time that gradients take, and nothing else."""

import numpy as np
import pytest
import torch

from spice_select.gradients import HookEngine, LoraGradients
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.folding import folded
from spice_select.models.lora import LoraSpec, attach_lora, lora_modules
from spice_select.sketch import Identity
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import ARCHITECTURES, tiny_model
from tests.gradients.families import tiny_family

from .test_steps import trainer

pytestmark = pytest.mark.filterwarnings("ignore:.*weight matrices of")


def warm(architecture: str, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    return warmed(trainer(architecture=architecture).model.to(dtype))


def warmed(model: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for module in lora_modules(model).values():
            module.lora_B["default"].weight.normal_(0, 0.1)  # type: ignore[index, union-attr]
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_are_those_of_the_adapter(architecture: str) -> None:
    model, engine = warm(architecture), HookEngine(LoraGradients(), Identity())
    plain = engine.features(model, sample_batch())
    with folded(model):
        fast = engine.features(model, sample_batch())
    np.testing.assert_allclose(fast.features, plain.features, atol=2e-5 * float(np.abs(plain.features).max()))
    np.testing.assert_allclose(fast.losses, plain.losses, rtol=1e-5)
    np.testing.assert_allclose(fast.norms, plain.norms, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_everything_is_put_back_bit_for_bit_even_after_a_fault(architecture: str) -> None:
    model = warm(architecture)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="fault"), folded(model):
        assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
        raise RuntimeError("fault")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any("forward" in vars(module) for module in model.modules())


def test_half_precision_is_left_as_it_is() -> None:
    model = warm("llama", torch.bfloat16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with folded(model):
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def sharing(kind: str) -> torch.nn.Module:
    """Warm models in which layers have one weight: with an adapter each, or one of them with none."""
    if kind == "zamba2":
        model, spec = tiny_family("zamba2", num_mem_blocks=1), LoraSpec(rank=4)
        model.tie_weights()  # type: ignore[operator]
    else:
        model = tiny_model("llama")
        first, last = (block.mlp.up_proj for block in model.model.layers)  # type: ignore[union-attr]
        last.weight = first.weight
        spec = LoraSpec(rank=4, last_blocks=1 if kind == "a twin without adapter" else None)
    return warmed(attach_lora(model, spec, {layer.name: initial_a(layer, 4, 0) for layer in spec.layers(model)}))


@pytest.mark.parametrize("kind", ["zamba2", "tied layers", "a twin without adapter"])
def test_a_weight_of_several_layers_is_left_to_them(kind: str) -> None:
    model, engine = sharing(kind), HookEngine(LoraGradients(), Identity())
    before = {name: value.clone() for name, value in model.named_parameters()}
    plain = engine.features(model, sample_batch())
    with folded(model):
        assert any("forward" in vars(module) for module in lora_modules(model).values())
        fast = engine.features(model, sample_batch())
    np.testing.assert_allclose(fast.features, plain.features, atol=2e-4 * float(np.abs(plain.features).max()))
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
