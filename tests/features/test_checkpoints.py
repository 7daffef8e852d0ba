"""Gradients at several checkpoints of a warm-up, against a training and a loop written out from the definition."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spice_select.data.records import Example
from spice_select.errors import InputError
from spice_select.features import FeatureRequest, Gradients
from spice_select.features import proxy as proxies
from spice_select.features.normalise import normalised, normalised_as_read
from spice_select.features.rate import CONSTANT, Rate
from spice_select.features.request import ProxyRequest
from spice_select.features.stage import FeatureParts
from spice_select.features.warm_plan import Warmup, plan_warmup
from spice_select.features.warmup import train_warmup
from spice_select.gradients import HookEngine, LoopEngine, LoraGradients
from spice_select.gradients.parameters.lora import initial_a
from spice_select.gradients.preconditioner import AdamUpdate
from spice_select.gradients.settings import GradientSettings
from spice_select.models.load import load_model
from spice_select.models.lora import LoraSpec, adapter_weights, attach_lora
from spice_select.models.settings import ProxySettings
from spice_select.numerics.divided import DividedRows
from spice_select.sketch import DEFAULT_DIM, Identity, SparseJL
from spice_select.store import FeatureBlock, PartStore
from spice_select.testing.engine import sample_batch, sample_example
from spice_select.testing.feature import check_feature
from spice_select.testing.models import tiny_model

SMALL = LoraSpec(rank=4, alpha=12.0)
ROWS = [sample_example(row, 6 + row % 9, 3) for row in range(20)]
THREE = Warmup(rows=20, passes=2, checkpoints=3, rate=Rate(peak=0.02))


Stand = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""Name → weight and second moment."""


def naive_warmup(rows: Sequence[Example], how: Warmup) -> list[Stand]:
    """The adapter at each third of six steps: row by row, plain autograd, the rate of each step written out."""
    model = tiny_model("llama")
    drawn = {layer.name: initial_a(layer, SMALL.rank, how.seed) for layer in SMALL.layers(model)}
    adapted = attach_lora(model, SMALL, drawn)
    weights = adapter_weights(adapted)
    for parameter in adapted.parameters():
        parameter.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    order = np.random.default_rng([how.seed, 1]).permutation(20)
    again = order[np.random.default_rng([how.seed, 1, 1]).permutation(20)]
    steps = [part for turn in (order, again) for part in (turn[:8], turn[8:16], turn[16:])]
    optimiser = torch.optim.AdamW(weights.values(), weight_decay=0.0)
    found = []
    for number, step in enumerate(steps):
        optimiser.param_groups[0]["lr"] = 0.02 * [1, 1, 0.8, 0.6, 0.4, 0.2][number]
        optimiser.zero_grad()
        (sum(naive_loss(adapted, rows[index]) for index in step) / len(step)).backward()
        optimiser.step()
        if number % 2:
            second = {name: optimiser.state[weight]["exp_avg_sq"].clone() for name, weight in weights.items()}
            found.append({name: (weight.detach().clone(), second[name]) for name, weight in weights.items()})
    return found


def naive_loss(model: nn.Module, example: Example) -> torch.Tensor:
    ids = torch.from_numpy(example.input_ids.astype(np.int64))
    logits = model(input_ids=ids[None], use_cache=False).logits[0]
    return functional.cross_entropy(logits[:-1].double(), ids[1:], reduction="none")[example.supervised[1:]].mean()


def test_the_checkpoints_are_those_of_a_plain_training() -> None:
    warm = train_warmup(tiny_model("llama"), ROWS, SMALL, THREE)
    expected = naive_warmup(ROWS, THREE)
    assert [checkpoint.state.steps for checkpoint in warm.checkpoints] == [2, 4, 6]
    for checkpoint, due in zip(warm.checkpoints, expected, strict=True):
        for name, weight in checkpoint.weights.items():
            own, second = due[name]
            torch.testing.assert_close(weight, own, rtol=2e-3, atol=2e-4)
            torch.testing.assert_close(checkpoint.state.moments[name].second, second, rtol=2e-3, atol=1e-9)
    for name, weight in adapter_weights(warm.model).items():
        assert torch.equal(weight, warm.checkpoints[-1].weights[name])


def test_a_warm_up_is_repeated_to_the_bit_at_every_checkpoint() -> None:
    twice = [train_warmup(tiny_model("llama"), ROWS, SMALL, THREE) for _ in range(2)]
    for one, other in zip(*(warm.checkpoints for warm in twice), strict=True):
        assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
        assert all(torch.equal(one.state.moments[n].second, other.state.moments[n].second) for n in one.weights)


def feature(model: Path, rows: Sequence[Example] = ROWS, **changes) -> Gradients:
    asked = GradientSettings(**{"sketch_dim": 32, "lora_rank": 4, "warm": True, "warm_checkpoints": 3, **changes})
    access = ProxySettings(model=str(model), dtype="float32")
    request = ProxyRequest(access=access, gradients=asked)
    return Gradients.of(FeatureRequest(proxy=request, model="tiny", facts={"model": "tiny"}, examples=rows))


@pytest.mark.parametrize("precondition", ["none", "adam"])
def test_the_vectors_are_those_of_the_loop_at_each_checkpoint(tiny_proxy: Path, precondition: str) -> None:
    own = feature(tiny_proxy, precondition=precondition)
    block, plain = own.open()(sample_batch()), own.plain().open()(sample_batch())
    warm = train_warmup(load_model(str(tiny_proxy), dtype="float32").model, ROWS, LoraSpec(rank=4), plan(own))
    assert block.weights == plain.weights == plan(own).weights
    raw, cosines, mixed = 0.0, 0.0, 0.0
    for weight, checkpoint in zip(block.weights, warm.checkpoints, strict=True):
        checkpoint.put_on(warm.model)
        loops = [
            LoopEngine(LoraGradients(LoraSpec(rank=4)), SparseJL(32), preconditioner=each)
            for each in (AdamUpdate(checkpoint.state) if precondition == "adam" else None, None)
        ]
        found, bare = (loop.features(warm.model, sample_batch()) for loop in loops)
        g, y = found.features.astype(np.float64), bare.features.astype(np.float64)
        raw = raw + weight * g @ g.T
        cosines = cosines + weight * units(g) @ units(g).T
        mixed = mixed + weight * units(g) @ units(y).T
    as_is, scaled, target = (
        normalised(each.features, rule, each.weights).astype(np.float64)
        for each, rule in ((block, "none"), (block, "unit"), (plain, "unit"))
    )
    np.testing.assert_allclose(as_is @ as_is.T, raw, rtol=1e-3, atol=1e-4 * np.abs(raw).max())
    np.testing.assert_allclose(scaled @ scaled.T, cosines, atol=1e-4)
    np.testing.assert_allclose(scaled @ target.T, mixed, atol=1e-4)  # the score of LESS
    np.testing.assert_allclose(block["loss"], found.losses, rtol=1e-5)
    np.testing.assert_allclose(block["norm"], found.norms, rtol=1e-4)


def plan(of: Gradients) -> Warmup:
    asked = plan_warmup(of.engine._request.gradients, len(ROWS))
    assert asked is not None
    return asked


def units(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_feature_of_several_checkpoints_keeps_the_contract(tiny_proxy: Path) -> None:
    own = feature(tiny_proxy)
    check_feature(own, sample_batch())
    assert own.facts()["checkpoint_weights"] == list(own.engine.weights)


def test_rows_of_length_one_have_length_one_with_all_checkpoints_and_zero_stays_zero() -> None:
    matrix = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    matrix[3, :4] = 0
    rows = normalised(matrix, "unit", (0.5, 0.3, 0.2))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1)[[0, 1, 2, 4]], 1, rtol=1e-15)
    assert not rows[3, :4].any()
    np.testing.assert_allclose((rows[0, :4] ** 2).sum(), 0.5)
    assert normalised(matrix, "none", (0.5, 0.3, 0.2)) is matrix


def test_with_one_checkpoint_rows_are_scaled_as_ever() -> None:
    matrix = np.random.default_rng(0).normal(size=(40, 300)).astype(np.float32)
    rows = matrix.astype(np.float64)
    due = rows / np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    assert np.array_equal(normalised(matrix, "unit"), due)


def test_both_halves_speak_once_the_lora_is_warm_and_cosines_change() -> None:
    parameters, rows = LoraGradients(SMALL), sample_batch()
    cold = HookEngine(parameters, Identity()).features(tiny_model("llama"), rows)
    trained = train_warmup(tiny_model("llama"), ROWS, SMALL, THREE)
    warm = HookEngine(parameters, Identity()).features(trained.model, rows)
    halves = [block.name.endswith("lora_A") for block in parameters.coverage(trained.model).blocks]
    ends = np.cumsum([block.size for block in parameters.coverage(trained.model).blocks])
    parts = np.split(warm.features, ends[:-1], axis=1)
    assert sum(halves) == len(halves) // 2
    assert all(np.abs(part).max() > 0 for part, a in zip(parts, halves, strict=True) if a)
    assert not any(block.name.endswith("lora_A") for block in parameters.coverage(tiny_model("llama")).blocks)
    before, after = (units(found.features.astype(np.float64)) for found in (cold, warm))
    assert np.abs(before @ before.T - after @ after.T).max() > 0.01


def test_one_engine_serves_other_rows_and_plain_gradients_and_loads_once(tiny_proxy: Path, monkeypatch) -> None:
    loads, trains = [], []
    real, train = proxies.load_proxy, proxies.train_warmup
    monkeypatch.setattr(proxies, "load_proxy", lambda request: loads.append(1) or real(request))
    monkeypatch.setattr(proxies, "train_warmup", lambda *a, **k: trains.append(len(a[1])) or train(*a, **k))
    own = feature(tiny_proxy, precondition="adam")
    others = [sample_example(row, 9, 4) for row in range(3)]
    computes = [each.open() for each in (own, own, own.beside(others), own.plain(), own.plain().beside(others))]
    assert loads == [1]
    assert trains == [len(ROWS)]
    blocks = [compute(others) for compute in computes]
    for one, other in ((0, 1), (0, 2), (3, 4)):
        assert np.array_equal(blocks[one].features, blocks[other].features)
    assert not np.allclose(blocks[0].features, blocks[3].features, rtol=0.1)
    assert np.array_equal(blocks[3].features, feature(tiny_proxy).open()(others).features)
    assert own.plain().facts()["precondition"] == "none"
    unknown = replace(others[0], row=7, input_ids=np.full(9, 400, np.int32))
    with pytest.raises(InputError, match="row 7"):
        own.beside([unknown]).open()


def test_the_sketch_is_judged_at_the_last_checkpoint(tiny_proxy: Path) -> None:
    own = feature(tiny_proxy, sketch="identity", sketch_dim=DEFAULT_DIM)
    block = own.open()(ROWS)
    found = own.engine.fidelity(ROWS, block.features)
    assert found is not None
    assert found.dim == block.dim // 3
    assert found.relative_error < 1e-4
    assert found.norm_error < 1e-4


def test_parts_keep_the_weights(tiny_proxy: Path, tmp_path: Path) -> None:
    store, own = PartStore(tmp_path), feature(tiny_proxy)
    whole = store.read(FeatureParts(examples=ROWS, feature=own, store=store, batch_tokens=40).compute())
    assert whole.weights == own.engine.weights
    assert whole.take(np.array([2, 0])).weights == FeatureBlock.concatenate([whole, whole]).weights == whole.weights


def asked(**changes) -> GradientSettings:
    return GradientSettings(**changes)


def test_the_weights_are_the_published_ones_of_less() -> None:
    """Four passes over 13 533 rows, 128 a step (a twentieth of 270 679): the rates of its scripts, normalised."""
    how = Warmup(rows=13533, step_rows=128, passes=4, checkpoints=4, rate=Rate(peak=2e-5))
    assert how.ends == (106, 212, 318, 424)
    np.testing.assert_allclose(how.weights, [0.4219, 0.3215, 0.1926, 0.0640], atol=3e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_weights_sum_to_one_and_checkpoints_are_spread_evenly(count: int) -> None:
    for usable in (1, 7, 60, 1000, 30_000):
        how = plan_warmup(asked(warm=True, warm_checkpoints=count), usable)
        assert how is not None
        assert how.steps >= 64
        assert how.ends[-1] == how.steps
        gaps = np.diff((0, *how.ends))
        assert gaps.max() - gaps.min() <= 1
        assert sum(how.weights) == pytest.approx(1, abs=1e-15)
        assert min(how.weights) > 0
        assert len(how.weights) == count


@pytest.mark.parametrize(
    ("usable", "rows", "passes"), [(5, 5, 64), (60, 60, 8), (1000, 128, 4), (10_240, 512, 1), (30_001, 1501, 1)]
)
def test_a_twentieth_and_128_rows_are_drawn_and_seen_for_64_steps_at_least(usable: int, rows: int, passes: int) -> None:
    how = plan_warmup(asked(warm=True), usable)
    assert how is not None
    assert (how.rows, how.passes, how.rate) == (rows, passes, CONSTANT)


def test_what_warms_nothing_has_no_plan_and_too_few_rows_are_refused() -> None:
    assert plan_warmup(asked(), 100) is None
    assert plan_warmup(asked(warmup_rows=40), 100) == Warmup(rows=40)
    with pytest.raises(InputError, match=r"2 optimiser steps.*--warm"):
        plan_warmup(asked(warmup_rows=40, warm_checkpoints=4), 9)


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_divided_as_they_are_read_have_the_bits_of_the_copy(weighted):
    matrix = np.random.default_rng(3).standard_normal((50, 7)).astype(np.float32) * np.float32(37.0)
    matrix[4] = 0.0
    scales = np.random.default_rng(4).uniform(0.2, 3.0, size=50) if weighted else None
    due, read = normalised(matrix, "unit", scales=scales), normalised_as_read(matrix, "unit", scales=scales)
    assert isinstance(read, DividedRows)
    rows, part = np.array([7, 4, 4, 49]), np.ix_([3, 9], [0, 6])
    for key in (slice(None), slice(5, 20), rows, part, 12):
        assert np.array_equal(read[key], due[key])
    assert np.array_equal(read.take(rows)[:], due[rows])
