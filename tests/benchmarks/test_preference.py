"""Pair gradients put together from answers are those of the engine."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.preference.answers import TAIL, Answers
from benchmarks.preference.pairs import beginning, named_sides, told_apart

from spice_select.gradients import HookEngine, LoraGradients, TokenSum
from spice_select.gradients.pairs import AnswerMeans, AnswerSums, DampedTails
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity
from spice_select.testing.models import tiny_model
from tests.gradients.pair_cases import made_pair

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
