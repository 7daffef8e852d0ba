"""The same row gives the same feature, whatever stands beside it."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spice_select.errors import InputError
from spice_select.gradients import FullWeights, HookEngine, LastLayer, LoopEngine, LoraGradients
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, SparseJL
from spice_select.testing.engine import sample_batch, sample_example
from spice_select.testing.models import tiny_model

LORA = LoraGradients(LoraSpec(rank=4))
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=["llama", "gemma3", "gpt2"])
def model(request):
    return tiny_model(request.param)


def close(a, b, rtol=2e-5):
    np.testing.assert_array_less(np.abs(a - b), rtol * np.abs(b).max() + 1e-9)


@QUICK
@given(data=st.data())
def test_any_lengths_and_masks_agree_with_the_loop(model, data):
    shapes = data.draw(
        st.lists(
            st.integers(2, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))), min_size=1, max_size=5
        )
    )
    batch = [sample_example(row, n, k, seed=1) for row, (n, k) in enumerate(shapes)]
    fast = HookEngine(LORA, SparseJL(32)).features(model, batch)
    slow = LoopEngine(LORA, SparseJL(32)).features(model, batch)
    close(fast.features, slow.features)
    close(fast.losses, slow.losses)
    close(fast.norms, slow.norms)


def test_a_row_alone_equals_the_row_in_company(model):
    engine, batch = HookEngine(LORA, Identity()), sample_batch()
    together = engine.features(model, batch)
    for row, one in enumerate(batch):
        alone = engine.features(model, [one])
        close(alone.features[0], together.features[row])
        close(alone.losses, together.losses[row : row + 1])


def test_reordering_the_batch_reorders_the_features_and_nothing_else(model):
    engine, batch = HookEngine(LORA, Identity()), sample_batch()
    order = [3, 0, 4, 2, 1]
    forwards = engine.features(model, batch)
    shuffled = engine.features(model, [batch[i] for i in order])
    close(shuffled.features, forwards.features[order])


def test_a_longer_neighbour_which_adds_padding_changes_nothing(model):
    engine, short = HookEngine(LORA, Identity()), sample_example(0, 5, 3)
    alone = engine.features(model, [short])
    padded = engine.features(model, [short, sample_example(1, 40, 1)])
    close(padded.features[0], alone.features[0])


def test_tokens_after_the_last_supervised_one_change_nothing(model):
    one = sample_example(0, 12, 4)
    last = int(np.flatnonzero(one.supervised)[-1])
    cut = type(one)(0, one.input_ids[: last + 1], one.supervised[: last + 1], "", "")
    engine = HookEngine(LORA, Identity())
    close(engine.features(model, [one]).features, engine.features(model, [cut]).features)


def test_the_same_call_twice_gives_the_same_bits(model):
    engine = HookEngine(LORA, SparseJL(64))
    first, second = (engine.features(model, sample_batch()) for _ in range(2))
    np.testing.assert_array_equal(first.features, second.features)
    fresh = HookEngine(LORA, SparseJL(64)).features(model, sample_batch())
    np.testing.assert_array_equal(first.features, fresh.features)


@pytest.mark.parametrize("make", [HookEngine, LoopEngine])
@pytest.mark.parametrize("parameters", [LORA, FullWeights(), LastLayer()], ids=["lora", "weights", "last-layer"])
def test_an_engine_leaves_the_model_as_it_was(make, parameters):
    model = tiny_model("llama").train()
    model.model.norm.weight.requires_grad_(True)
    before = {name: p.clone() for name, p in model.named_parameters()}
    make(parameters, SparseJL(16)).features(model, sample_batch())
    assert model.training
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["model.norm.weight"]
    after = dict(model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_hooks_are_gone_even_after_a_failure(model):
    def fail(*arguments):
        raise RuntimeError("in the middle")

    engine = HookEngine(LORA, SparseJL(16))
    engine.features(model, sample_batch())
    handle = next(m for m in model.modules() if isinstance(m, torch.nn.Embedding)).register_forward_hook(fail)
    try:
        with pytest.raises(RuntimeError, match="in the middle"):
            engine.features(model, sample_batch())
    finally:
        handle.remove()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("parameters", [LORA, FullWeights()], ids=["lora", "weights"])
@pytest.mark.parametrize("infectious", [False, True])
def test_a_row_that_is_not_finite_is_flagged_and_harms_no_other(parameters, infectious):
    model = tiny_model("qwen2")  # untied: a broken embedding reaches only the rows that hold its token
    poison = 7
    model.model.embed_tokens.weight[poison] = float("nan")
    batch = [e for e in sample_batch() if poison not in e.input_ids]
    assert len(batch) >= 2
    sick = sample_example(9, 9, 3)
    sick.input_ids[0] = poison
    engine = HookEngine(parameters, SparseJL(32))
    well = engine.features(model, batch)
    if infectious:  # a layer that lets the rows of a batch touch, as routing through shared experts may
        model.model.norm.register_forward_hook(lambda module, args, output: output + 0 * output.mean(0, keepdim=True))
    result = engine.features(model, [batch[0], sick, *batch[1:]])
    assert result.finite.tolist() == [True, False] + [True] * (len(batch) - 1)
    close(result.features[result.finite], well.features)
    close(result.losses[result.finite], well.losses)
    close(result.norms[result.finite], well.norms)
    assert not engine.features(model, [sick]).finite.any()


@pytest.mark.parametrize("fault", ["no supervised token", "supervised first token"])
def test_an_example_that_cannot_be_trained_on_is_refused_by_row(model, fault):
    one = sample_example(4, 6, 2)
    one.supervised[:] = False
    one.supervised[0] = fault != "no supervised token"
    with pytest.raises(InputError, match=f"row 4 has (a )?{fault}"):
        HookEngine(LORA, SparseJL(16)).features(model, [one])
    with pytest.raises(InputError, match="no examples"):
        HookEngine(LORA, SparseJL(16)).features(model, [])


def test_a_token_beyond_the_embedding_is_refused_by_row(model):
    bad = sample_example(7, 5, 2)
    bad.input_ids[0] = 61
    with pytest.raises(InputError, match="row 7 has token 61, and the model knows 61"):
        HookEngine(LORA, SparseJL(16)).features(model, [sample_example(0, 4, 1), bad])


@pytest.mark.parametrize("parameters", [LORA, FullWeights(), LastLayer()])
def test_positions_that_fill_the_head_up_change_nothing(monkeypatch, model, parameters):
    batch, seen = sample_batch(), []
    watch = model.get_output_embeddings().register_forward_hook(lambda m, args, out: seen.append(args[0].shape[1]))
    found = []
    for fewest in (0, 500):
        monkeypatch.setattr("spice_select.gradients.hooks.fewest_positions", lambda device, fewest=fewest: fewest)
        found.append(HookEngine(parameters, Identity()).features(model, batch))
    watch.remove()
    close(found[1].features, found[0].features, 1e-6)
    close(found[1].losses, found[0].losses, 1e-6)
    if not isinstance(parameters, FullWeights):  # whether these watch the head depends on the model
        assert (max(seen) == 500) == isinstance(parameters, LoraGradients)
