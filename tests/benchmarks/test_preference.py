"""Pair gradients put together from answers are those of the engine; tunings minimise DPO's loss."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.evidence.tail import Tail
from benchmarks.preference.answers import TAIL, Answers
from benchmarks.preference.labels import turned
from benchmarks.preference.pairs import beginning, named_sides, split, told_apart
from benchmarks.preference.tuning import BETA, PairTrainer
from torch.nn import functional

from spice_select.gradients import HookEngine, LoraGradients, TokenSum
from spice_select.gradients.pairs import AnswerMeans, AnswerSums, DampedTails
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.lora import LoraSpec, adapter_weights, attach_lora
from spice_select.schedules.interleaved.steps import StepRecipe
from spice_select.sketch import Identity
from spice_select.testing.models import tiny_model
from tests.gradients.pair_cases import log_probability, made_pair

SPEC = LoraSpec(rank=2, last_blocks=1)
WEIGHINGS = {"sum": AnswerSums(), "mean": AnswerMeans(), "tail": DampedTails(TAIL)}


@pytest.fixture(scope="module")
def pairs():
    return [told_apart(hashed(made_pair(row, 3, 0, 8, 8))) for row in range(4)]


def hashed(pair):
    """With the hash of its row."""
    sides = {name: replace(side, content_hash=f"{pair.row}") for name, side in named_sides(pair)}
    return replace(pair, **sides)


def gradients(rows, **how):
    engine = HookEngine(LoraGradients(SPEC), Identity(), TokenSum(), **how)
    return engine.features(tiny_model("llama"), rows).features


@pytest.fixture(scope="module")
def answers(pairs):
    sides = [side for pair in pairs for side in pair.sequences]
    whole, short = (-gradients(own).reshape(4, 2, -1) for own in (sides, [beginning(side, 2) for side in sides]))
    return Answers(whole, short, np.full((4, 2), 8), np.full(4, 2))


@pytest.mark.parametrize("kind", WEIGHINGS)
def test_a_pair_put_together_is_the_pair_that_the_engine_takes(kind, pairs, answers):
    short = np.array([0, 1, 1, 0])
    cut = [
        told_apart(replace(pair, **{("chosen", "rejected")[side]: beginning(pair.sequences[side], 2)}))
        for pair, side in zip(pairs, short, strict=True)
    ]
    due = gradients(cut, pairs=WEIGHINGS[kind])
    assert np.abs(answers.unequal(kind, short) - due).max() < 1e-5 * np.abs(due).max()
    if kind != "tail":
        due = gradients(pairs, pairs=WEIGHINGS[kind])
        assert np.abs(answers.equal(kind) - due).max() < 1e-5 * np.abs(due).max()


def test_the_step_of_a_tuning_minimises_the_dpo_loss(pairs):
    model = tiny_model("llama")
    layers = SPEC.layers(model)
    adapted = attach_lora(copy.deepcopy(model), SPEC, {layer.name: initial_a(layer, 2, 0) for layer in layers})
    weights = adapter_weights(adapted)
    adapted.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    trainer = PairTrainer(Tail(adapted, 1), pairs, StepRecipe(), total_steps=1, batch_tokens=40)
    with torch.no_grad():
        for name, weight in weights.items():
            if name.endswith("lora_B"):
                weight.fill_(0.05)
    whole = attach_lora(model, SPEC, {layer.name: initial_a(layer, 2, 0) for layer in layers})
    for name, weight in adapter_weights(whole).items():
        weight.data.copy_(weights[name])
    gains = [
        log_probability(whole, side) - log_probability(tiny_model("llama"), side)
        for pair in pairs
        for side in pair.sequences
    ]
    due = -functional.logsigmoid(BETA * (torch.stack(gains[0::2]) - torch.stack(gains[1::2]))).mean()
    assert trainer.step(pairs).loss == pytest.approx(float(due), rel=1e-5)
    assert float(due) != pytest.approx(np.log(2), rel=1e-4), "a loss of nothing learnt proves nothing"


def test_prompts_are_on_one_side_of_the_split(pairs):
    named = [replace(pair, prompt=f"{number % 2}") for number, pair in enumerate(pairs)]
    parts = split(named, held=1)
    assert len(parts.pool) == len(parts.held) == 2
    assert not {one.prompt for one in parts.pool} & {one.prompt for one in parts.held}


def test_the_penalty_follows_the_sign_that_the_first_picks_have():
    """With all right labels alike the picks with λ = 0.5 are of one sign: right ones, unless a wrong one came first."""
    draw = np.random.default_rng(0)
    right = 3.0 + draw.normal(size=(50, 30))
    whole = np.stack([right, np.zeros_like(right)], 1).astype(np.float32)
    answers = Answers(whole, whole / 4, np.full((50, 2), 8), np.full(50, 2))
    found = [
        next(
            line["turned"][0]
            for line in turned(answers, share=0.1, draws=draws)
            if (line["bed"], line["pair gradient"], line["picks"]) == ("as long", "sum", "λ = 0.5")
        )
        for draws in (2, 3, 4)
    ]
    sums = [round(draws * share, 6) for draws, share in zip((2, 3, 4), found, strict=True)]
    assert all(one == int(one) for one in sums), "each draw is of one sign"
