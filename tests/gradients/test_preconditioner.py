"""Gradients as Adam would see them: against torch's own optimiser, against the loop, and from checkpoints."""

import numpy as np
import pytest
import torch
from torch import nn

from spice_select.errors import InputError
from spice_select.features.optimizer_state import read_optimizer
from spice_select.features.warm import is_warm, load_warm, save_warm
from spice_select.features.warmup import Warmup, train_warmup
from spice_select.gradients import HookEngine, LoopEngine, LoraGradients
from spice_select.gradients.preconditioner import AdamDiagonal, AdamState, AdamUpdate, Moments
from spice_select.models.lora import LoraSpec, adapter_weights
from spice_select.sketch import Identity, ParameterBlock, SparseJL
from spice_select.testing.engine import sample_batch, sample_example
from spice_select.testing.models import tiny_model

SMALL = LoraSpec(rank=4, alpha=12.0)
ROWS = [sample_example(row, 6 + row % 9, 3) for row in range(20)]


def warm(architecture="llama", rows=20, **changes):
    return train_warmup(tiny_model(architecture), ROWS, SMALL, Warmup(rows=rows, **changes))


def test_gamma_is_the_step_that_torchs_adam_would_make():
    """One parameter trained for five steps; then a copy of the optimiser takes the sample's gradient as its sixth."""
    generator = torch.Generator().manual_seed(0)
    parameter = nn.Parameter(torch.zeros(3, 4, dtype=torch.float64))
    optimiser = torch.optim.AdamW([parameter], lr=0.5, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.0)
    for _ in range(5):
        parameter.grad = torch.randn(3, 4, generator=generator, dtype=torch.float64)
        optimiser.step()
    known, block = optimiser.state[parameter], ParameterBlock("x", (3, 4))
    state = AdamState(
        moments={"x": Moments(known["exp_avg"].clone(), known["exp_avg_sq"].clone())},
        steps=5,
        beta1=0.8,
        beta2=0.95,
        eps=1e-3,
    )
    gradient = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    found = AdamUpdate(state).apply(block, gradient[None].float())[0]
    before = parameter.detach().clone()
    parameter.grad = gradient
    optimiser.step()
    torch.testing.assert_close(found.double(), (before - parameter.detach()) / 0.5, rtol=1e-5, atol=1e-6)


def test_the_diagonal_divides_by_the_root_of_the_unbiased_second_moment():
    """After one step from zero, v̂ is that step's squared gradient."""
    first = torch.tensor([[3.0, -4.0]])
    state = AdamState(moments={"x": Moments(0.1 * first, 0.001 * first**2)}, steps=1)
    found = AdamDiagonal(state).apply(ParameterBlock("x", (1, 2)), torch.tensor([[[6.0, 6.0]]]))
    torch.testing.assert_close(found, torch.tensor([[[2.0, 1.5]]]))


def test_the_diagonal_is_linear_and_gamma_is_not():
    state = warm().state
    block = ParameterBlock(next(iter(state.moments)), tuple(next(iter(state.moments.values())).first.shape))
    x, y = torch.randn(2, 1, *block.shape, generator=torch.Generator().manual_seed(0))
    for rule, linear in ((AdamDiagonal(state), True), (AdamUpdate(state), False)):
        both = rule.apply(block, x + y)
        assert torch.allclose(both, rule.apply(block, x) + rule.apply(block, y), rtol=1e-4) == linear


@pytest.mark.parametrize("rule", [AdamUpdate, AdamDiagonal])
@pytest.mark.parametrize("sketch", [Identity(), SparseJL(64)], ids=lambda sketch: sketch.name)
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_the_engine_equals_the_loop_under_a_preconditioner(architecture, sketch, rule):
    trained = warm(architecture)
    rule = rule(trained.state)
    slow = LoopEngine(LoraGradients(), sketch, preconditioner=rule).features(trained.model, sample_batch())
    fast = HookEngine(LoraGradients(), sketch, preconditioner=rule).features(trained.model, sample_batch())
    # Γ is g/|g| where v is small, so rounding of a gradient near zero weighs more than in the gradient itself
    scale = np.linalg.norm(slow.features, axis=1, keepdims=True)
    assert (scale > 0).all()
    np.testing.assert_array_less(np.abs(fast.features - slow.features) / scale, 1e-3)
    np.testing.assert_allclose(fast.norms, slow.norms, rtol=1e-3)
    np.testing.assert_allclose(fast.losses, slow.losses, rtol=1e-5)


def test_the_loops_gamma_is_the_formula_on_autograds_gradient():
    """The formula written out once more, coordinate by coordinate, on the exact gradients."""
    trained = warm()
    state, plain = trained.state, LoopEngine(LoraGradients(), Identity()).features(trained.model, sample_batch())
    names = [block.name for block in LoraGradients().coverage(trained.model).blocks]
    m, v = (np.concatenate([getattr(state.moments[n], k).numpy().ravel() for n in names]) for k in ("first", "second"))
    g, t = plain.features.astype(np.float64), state.steps + 1
    first = (0.9 * m + 0.1 * g) / (1 - 0.9**t)
    second = (0.999 * v + 0.001 * g**2) / (1 - 0.999**t)
    expected = first / (np.sqrt(second) + 1e-8)
    found = LoopEngine(LoraGradients(), Identity(), preconditioner=AdamUpdate(state)).features(
        trained.model, sample_batch()
    )
    np.testing.assert_allclose(found.features, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.norms, np.linalg.norm(expected, axis=1), rtol=1e-4)


def test_a_fresh_adapter_is_preconditioned_too():
    trained, plain = warm(), tiny_model("llama")
    rule, parameters = AdamUpdate(trained.state), LoraGradients(SMALL)
    slow = LoopEngine(parameters, Identity(), preconditioner=rule).features(plain, sample_batch())
    fast = HookEngine(parameters, Identity(), preconditioner=rule).features(plain, sample_batch())
    np.testing.assert_allclose(fast.features, slow.features, atol=1e-3 * np.abs(slow.features).max())


def test_a_warm_up_is_the_adamw_that_anyone_would_write():
    """Plain loop: each row's loss by all logits, the mean over eight rows, torch's AdamW."""
    from torch.nn import functional

    from spice_select.gradients.parameters.lora import initial_a
    from spice_select.models.lora import adapter_weights, attach_lora

    trained = warm(batch_tokens=25)
    model = tiny_model("llama")
    model = attach_lora(model, SMALL, {layer.name: initial_a(layer, 4, 0) for layer in SMALL.layers(model)}).eval()
    weights = adapter_weights(model)
    optimiser = torch.optim.AdamW(list(weights.values()), lr=2e-4, weight_decay=0.0)
    drawn = np.random.default_rng([0, 1]).permutation(20)
    for start in (0, 8, 16):
        rows = [ROWS[i] for i in drawn[start : start + 8]]
        losses = []
        for row in rows:
            ids = torch.from_numpy(row.input_ids.astype(np.int64))
            token = functional.cross_entropy(model(input_ids=ids[None]).logits[0, :-1], ids[1:], reduction="none")
            losses.append(token[torch.from_numpy(row.supervised[1:])].mean())
        torch.stack(losses).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    assert trained.state.steps == 3
    for name, weight in adapter_weights(trained.model).items():
        torch.testing.assert_close(weight, weights[name], rtol=1e-4, atol=2e-6)
        second = optimiser.state[weights[name]]["exp_avg_sq"]
        torch.testing.assert_close(trained.state.moments[name].second, second, rtol=1e-3, atol=1e-12)


def test_a_warm_up_moves_both_halves_and_repeats_itself():
    once, again, other = warm(), warm(), warm(seed=1)
    for name, weight in adapter_weights(once.model).items():
        assert torch.equal(weight, adapter_weights(again.model)[name])
        assert not torch.equal(weight, adapter_weights(other.model)[name])
        assert not weight.requires_grad
    blocks = LoraGradients().coverage(once.model).blocks
    features = HookEngine(LoraGradients(), Identity()).features(once.model, sample_batch()).features
    ends = np.cumsum([block.size for block in blocks])
    assert all(part.any() for part in np.split(features, ends[:-1], axis=1))


def test_a_warm_adapter_comes_back_from_disk_bit_for_bit(tmp_path):
    trained, path = warm(), tmp_path / "warm.safetensors"
    save_warm(path, trained.model, trained.state, SMALL)
    assert is_warm(path)
    back = load_warm(path, tiny_model("llama"), moments=True)
    for one, other in ((trained, back),):
        engines = [HookEngine(LoraGradients(), SparseJL(64), preconditioner=AdamUpdate(w.state)) for w in (one, other)]
        found = [engine.features(w.model, sample_batch()) for engine, w in zip(engines, (one, other), strict=True)]
        assert np.array_equal(found[0].features, found[1].features)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert not is_warm(path)


@pytest.fixture
def checkpoint(tmp_path):
    """What transformers' Trainer leaves of a PEFT model: adapter_model.safetensors and optimizer.pt."""
    trained = warm()
    model = trained.model
    model.save_pretrained(tmp_path / "checkpoint-3")
    weights = [p for name, p in model.named_parameters() if "lora_" in name]
    for weight in weights:
        weight.requires_grad_(True)
    groups = [{"params": weights, "weight_decay": 0.01}, {"params": [], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.85, 0.99))
    names = {id(p): name for name, p in adapter_weights(model).items()}
    for weight in weights:
        moments = trained.state.moments[names[id(weight)]]
        first, second = moments.first.clone(), moments.second.clone()
        optimiser.state[weight] = {"step": torch.tensor(3.0), "exp_avg": first, "exp_avg_sq": second}
    torch.save(optimiser.state_dict(), tmp_path / "checkpoint-3" / "optimizer.pt")
    return tmp_path / "checkpoint-3", trained


def test_a_trainers_checkpoint_gives_its_adapter_and_moments(checkpoint):
    path, trained = checkpoint
    found = load_warm(path, tiny_model("llama"), moments=True, allow_pickle=True)
    assert (found.state.steps, found.state.beta1, found.state.beta2) == (3, 0.85, 0.99)
    for name, weight in adapter_weights(found.model).items():
        assert torch.equal(weight, adapter_weights(trained.model)[name])
        assert torch.equal(found.state.moments[name].first, trained.state.moments[name].first)
        assert torch.equal(found.state.moments[name].second, trained.state.moments[name].second)


def test_a_pickled_optimizer_is_read_only_when_allowed(checkpoint):
    path, _ = checkpoint
    with pytest.raises(InputError, match="--allow-pickle"):
        load_warm(path, tiny_model("llama"), moments=True)
    assert load_warm(path, tiny_model("llama"), moments=False).state is None


class Evil:
    def __reduce__(self):
        return (print, ("run by a pickle",))


def test_a_pickle_that_would_run_code_is_refused_even_then(checkpoint, capsys):
    path, _ = checkpoint
    torch.save({"state": Evil(), "param_groups": []}, path / "optimizer.pt")
    with pytest.raises(InputError, match="not the state of an Adam optimizer"):
        load_warm(path, tiny_model("llama"), moments=True, allow_pickle=True)
    assert "run by a pickle" not in capsys.readouterr().out


def rewritten(path, change):
    """The checkpoint's optimizer state, changed."""
    file = path / "optimizer.pt"
    content = torch.load(file, weights_only=True)
    torch.save(change(content), file)
    return file


def own_names(model):
    known = {id(p) for p in adapter_weights(model).values()}
    return [name for name, p in model.named_parameters() if id(p) in known]


def same_moments(found, trained):
    return all(
        torch.equal(found.moments[name].first, own.first) and torch.equal(found.moments[name].second, own.second)
        for name, own in trained.state.moments.items()
    )


@pytest.mark.parametrize("wrapper", ["", "module.", "_fsdp_wrapped_module.", "_orig_mod."])
def test_moments_under_names_are_told_apart_by_them_in_whatever_order(checkpoint, wrapper):
    """As accelerate leaves them under FSDP, in `optimizer.bin`; several layers here have the same shape."""
    path, trained = checkpoint
    names = own_names(trained.model)

    def named(content):
        states = {f"{wrapper}{name}": content["state"][number] for number, name in enumerate(names)}
        turned = list(reversed(states))
        group = {**content["param_groups"][0], "params": turned}
        return {"state": {name: states[name] for name in turned}, "param_groups": [group]}

    rewritten(path, named).rename(path / "optimizer.bin")
    found = load_warm(path, tiny_model("llama"), moments=True, allow_pickle=True)
    assert same_moments(found.state, trained)


def test_moments_in_several_groups_are_told_apart_by_the_names_that_torch_keeps(checkpoint):
    """LoRA+ gives A and B rates of their own."""
    path, trained = checkpoint
    names = own_names(trained.model)

    def grouped(content):
        halves = [[i for i, name in enumerate(names) if half in name] for half in ("lora_B", "lora_A")]
        group = content["param_groups"][0]
        groups = [{**group, "params": half, "param_names": [names[i] for i in half]} for half in halves]
        return {"state": content["state"], "param_groups": groups}

    file = rewritten(path, grouped)
    assert same_moments(read_optimizer(file, trained.model, allow_pickle=True), trained)

    def nameless(content):
        return {**content, "param_groups": [{**g, "param_names": g["params"]} for g in content["param_groups"]]}

    rewritten(path, nameless)
    with pytest.raises(InputError, match="2 groups without names"):
        read_optimizer(file, trained.model, allow_pickle=True)


def test_names_of_another_adapter_are_refused_though_the_shapes_fit(checkpoint):
    path, trained = checkpoint

    def renamed(content):
        names = [f"{name}_of_another" for name in own_names(trained.model)]
        return {**content, "param_groups": [{**content["param_groups"][0], "param_names": names}]}

    file = rewritten(path, renamed)
    with pytest.raises(InputError, match=r"names differ .*_of_another"):
        read_optimizer(file, trained.model, allow_pickle=True)


def test_parameters_that_made_different_numbers_of_steps_have_no_one_state(checkpoint):
    path, trained = checkpoint

    def uneven(content):
        content["state"][1]["step"] = torch.tensor(2.0)
        return content

    file = rewritten(path, uneven)
    with pytest.raises(InputError, match="different numbers of steps"):
        read_optimizer(file, trained.model, allow_pickle=True)


@pytest.mark.parametrize(
    "harm", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"not a pickle", lambda b: b[:9]]
)
def test_a_damaged_optimizer_is_explained(checkpoint, harm):
    path, trained = checkpoint
    file = path / "optimizer.pt"
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(InputError, match="not the state of an Adam optimizer"):
        read_optimizer(file, trained.model, allow_pickle=True)


@pytest.mark.parametrize("content", [[], {}, {"state": {}, "param_groups": []}, {"state": [], "param_groups": [3]}, 7])
def test_what_is_no_optimizer_is_explained(checkpoint, content):
    path, trained = checkpoint
    torch.save(content, path / "optimizer.pt")
    with pytest.raises(InputError, match=r"optimizer\.pt: "):
        read_optimizer(path / "optimizer.pt", trained.model, allow_pickle=True)


def test_an_optimizer_of_another_adapter_is_refused(checkpoint):
    path, _ = checkpoint
    other = train_warmup(tiny_model("llama"), ROWS, LoraSpec(rank=3), Warmup(rows=2)).model
    with pytest.raises(InputError, match="trained something else"):
        read_optimizer(path / "optimizer.pt", other, allow_pickle=True)


def test_an_adapter_of_another_model_is_refused(checkpoint):
    path, _ = checkpoint
    with pytest.raises(InputError, match="does not fit"):
        load_warm(path, tiny_model("gpt2"), moments=False)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.safetensors"])
def test_an_adapter_that_is_not_there_is_explained(tmp_path, name):
    with pytest.raises(InputError, match=r"gradients/warm\.safetensors"):
        load_warm(tmp_path / name, tiny_model("llama"), moments=False)


def test_moments_that_are_missing_or_sick_are_refused():
    state = warm().state
    with pytest.raises(InputError, match="another adapter"):
        AdamUpdate(state).apply(ParameterBlock("elsewhere", (2, 2)), torch.zeros(1, 2, 2))
    with pytest.raises(InputError, match="not finite"):
        AdamState(moments={"x": Moments(torch.full((1, 1), torch.nan), torch.ones(1, 1))}, steps=1)
    with pytest.raises(InputError, match="no steps"):
        AdamState(moments={}, steps=0)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("ia3", "of the kind IA3"), ("head", "adapts the output head"), ("layers", "8 of its tensors .*other layers")],
)
def test_an_adapter_whose_gradients_would_not_be_those_of_its_lora_is_refused(tmp_path, kind, words):
    """PEFT loads each of them, the last in silence: tensors of layers that the model lacks are ignored."""
    from peft import IA3Config, LoraConfig, get_peft_model

    ours = {"r": 4, "task_type": "CAUSAL_LM"}
    config = {
        "ia3": IA3Config(target_modules=["q_proj", "up_proj"], feedforward_modules=["up_proj"], task_type="CAUSAL_LM"),
        "head": LoraConfig(target_modules=["q_proj", "lm_head"], **ours),
        "layers": LoraConfig(target_modules=["q_proj", "up_proj"], **ours),
    }[kind]
    model = tiny_model("llama")
    own = model.model.layers
    if kind == "layers":
        model.model.layers = nn.ModuleList([*own, *tiny_model("llama").model.layers])
    get_peft_model(model, config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=words):
        load_warm(tmp_path, tiny_model("llama"), moments=False)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"peft_type": "none known"}', b"\xff\xfe"])
def test_a_damaged_adapter_is_explained(checkpoint, name, content):
    path, _ = checkpoint
    (path / name).write_bytes(content)
    with pytest.raises(InputError, match="damaged or does not fit"):
        load_warm(path, tiny_model("llama"), moments=False)


def test_a_warm_adapter_has_the_same_bytes_each_time_and_knows_its_origin(tmp_path):
    trained = warm()
    for number in range(8):
        save_warm(tmp_path / f"{number}.safetensors", trained.model, trained.state, SMALL, origin="one")
    assert len({path.read_bytes() for path in tmp_path.glob("*.safetensors")}) == 1
    assert is_warm(tmp_path / "0.safetensors")
    assert is_warm(tmp_path / "0.safetensors", origin="one")
    assert not is_warm(tmp_path / "0.safetensors", origin="two")


def rewrite(path, change_tensors=lambda tensors: tensors, facts=None):
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, "pt") as file:
        tensors, known = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    save_file(change_tensors(tensors), path, known if facts is None else {"facts": facts})


def without(tensors, prefix):
    """All but the first tensor of a kind."""
    gone = next(name for name in sorted(tensors) if name.startswith(prefix))
    return {name: tensor for name, tensor in tensors.items() if name != gone}


HARMS = {
    "another width": lambda tensors: {name: torch.cat([t, t], dim=1) for name, t in tensors.items()},
    "a missing half": lambda tensors: without(tensors, "parameter:"),
    "missing moments": lambda tensors: without(tensors, "exp_avg_sq:"),
    "no moments": lambda tensors: {name: t for name, t in tensors.items() if name.startswith("parameter:")},
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_warm_adapter_that_does_not_fit_is_explained(tmp_path, harm):
    trained, path = warm(), tmp_path / "warm.safetensors"
    save_warm(path, trained.model, trained.state, SMALL)
    rewrite(path, HARMS[harm])
    with pytest.raises(InputError, match=r"warm\.safetensors: it is damaged or does not fit"):
        load_warm(path, tiny_model("llama"), moments=True)


@pytest.mark.parametrize("facts", ["{", "[1]", '{"steps": 3}'])
def test_a_warm_adapter_whose_facts_are_damaged_is_explained(tmp_path, facts):
    trained, path = warm(), tmp_path / "warm.safetensors"
    save_warm(path, trained.model, trained.state, SMALL)
    rewrite(path, facts=facts)
    with pytest.raises(InputError, match=r"warm\.safetensors: it is damaged or does not fit"):
        load_warm(path, tiny_model("llama"), moments=False)
