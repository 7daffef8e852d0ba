"""Emulated half precision rounds what it says, puts everything back, and bfloat16 is coarser than float16."""

from contextlib import nullcontext

import torch
from benchmarks.fidelity.precision import measure_precision, rounded
from benchmarks.gradients.rows import generated_rows

from spice_select.testing.models import VOCABULARY, tiny_model


def test_weights_and_layer_outputs_are_representable_and_all_is_put_back():
    model = tiny_model("llama")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    ids, seen = torch.arange(6)[None], []
    with rounded(model, torch.bfloat16, activations=True):
        handle = model.model.layers[0].mlp.down_proj.register_forward_hook(lambda m, a, out: seen.append(out))
        model(input_ids=ids)
        handle.remove()
        assert all(torch.equal(p, p.bfloat16().float()) for p in model.parameters())
    assert torch.equal(seen[0], seen[0].bfloat16().float())
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    plain = []
    handle = model.model.layers[0].mlp.down_proj.register_forward_hook(lambda m, a, out: plain.append(out))
    model(input_ids=ids)
    handle.remove()
    assert not torch.equal(plain[0], plain[0].bfloat16().float())


def test_gradients_on_the_way_back_are_rounded_too():
    layer = torch.nn.Linear(3, 5)
    plain, coarse = [], []
    inputs, weights = torch.randn(4, 3, requires_grad=True), torch.randn(4, 5)
    for seen, context in ((plain, nullcontext()), (coarse, rounded(layer, torch.bfloat16, activations=True))):
        with context:
            product = inputs @ layer.weight.T + layer.bias
            layer.forward = lambda _, product=product: product  # so that the gradient entering the layer is seen
            product.register_hook(seen.append)
            (layer(inputs) * weights).sum().backward()
    assert torch.equal(plain[0], weights)
    assert torch.equal(coarse[0], weights.bfloat16().float())


def test_fewer_bits_cost_more():
    records = list(measure_precision(tiny_model("llama"), generated_rows(VOCABULARY, 6, 16), 64))
    errors = {(r["dtype"], r["rounded"]): r["cosine_error"] for r in records}
    assert len(errors) == 4
    for what in ("weights", "weights and activations"):
        assert 0 < errors["float16", what] < errors["bfloat16", what]
