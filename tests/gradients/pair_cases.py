"""Pairs of random tokens, the weights of every pair gradient, and DPO's loss as its definition has it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spice_select.data.records import Example, PairExample
from spice_select.gradients import PAIR_GRADIENTS, Parameters
from spice_select.gradients.loop import only_leaves_trainable
from spice_select.gradients.pairs import PairGradient
from spice_select.gradients.settings import GradientSettings
from spice_select.testing.models import VOCABULARY


@dataclass(frozen=True, kw_only=True)
class PairGradientCase:
    """A pair gradient, and the weights of the tokens of an answer of 3 against one of 2.

    Attributes:
        rejected: the weights where the longer answer is the rejected one; None: the same.
    """

    name: str
    weights: tuple[float, float, float]
    rejected: tuple[float, float, float] | None = None

    @property
    def gradient(self) -> PairGradient:
        return PAIR_GRADIENTS[self.name].load().of(GradientSettings(pair_gradient=self.name))


PAIR_GRADIENT_CASES: tuple[PairGradientCase, ...] = (
    PairGradientCase(name="sum", weights=(1.0, 1.0, 1.0)),
    PairGradientCase(name="mean", weights=(1 / 3, 1 / 3, 1 / 3)),
    PairGradientCase(name="tail", weights=(1.0, 1.0, 0.5)),
    PairGradientCase(name="chosen", weights=(1.0, 1.0, 1.0), rejected=(0.0, 0.0, 0.0)),
)

case_name: Callable[[PairGradientCase], str] = lambda case: case.name  # noqa: E731


def made_pair(row: int, prompt: int, shared: int, chosen: int, rejected: int, seed: int = 0) -> PairExample:
    """A pair of random tokens whose answers begin with `shared` tokens and go on with so many others."""
    draw = np.random.default_rng([seed, row, prompt])
    head = draw.integers(0, VOCABULARY, prompt + shared)
    tails = [draw.integers(0, VOCABULARY, length) for length in (chosen, rejected)]
    if tails[0][0] == tails[1][0]:
        tails[1][0] = (tails[1][0] + 1) % VOCABULARY
    sides = [_example(row, np.concatenate([head, tail]), prompt) for tail in tails]
    return PairExample(row, *sides, shared, prompt="", answers=("", ""))


def _example(row: int, ids: np.ndarray, prompt: int) -> Example:
    supervised = np.arange(len(ids)) >= prompt
    return Example(row=row, input_ids=ids.astype(np.int32), supervised=supervised, source="", content_hash="")


def pair_batch(seed: int = 0) -> list[PairExample]:
    """Short and long prompts, with and without a common head, one side up to eight times the other."""
    shapes = [(5, 0, 3, 4), (1, 0, 1, 1), (9, 6, 2, 5), (3, 1, 16, 2), (12, 0, 1, 8)]
    return [made_pair(row, *shape, seed) for row, shape in enumerate(shapes)]


def swapped(pair: PairExample) -> PairExample:
    return PairExample(pair.row, pair.rejected, pair.chosen, pair.shared, pair.prompt, pair.answers[::-1])


def log_probability(model: nn.Module, example: Example) -> Tensor:
    """Of the supervised tokens, their sum, in float64."""
    ids = torch.from_numpy(example.input_ids.astype(np.int64))
    logits = model(input_ids=ids[None], use_cache=False).logits[0]
    logs = -functional.cross_entropy(logits[:-1].double(), ids[1:], reduction="none")
    return logs[torch.from_numpy(example.supervised)[1:]].sum()


def dpo_loss(model: nn.Module, reference: nn.Module, pair: PairExample, beta: float) -> Tensor:
    """−log σ(β·Δ) with a frozen reference: Rafailov et al. 2023, equation 7."""
    with torch.no_grad():
        held = [log_probability(reference, side) for side in pair.sequences]
    moved = [log_probability(model, side) for side in pair.sequences]
    return -functional.logsigmoid(beta * ((moved[0] - held[0]) - (moved[1] - held[1])))


def gradients_of_dpo(
    model: nn.Module, parameters: Parameters, pairs: list[PairExample], beta: float = 0.1, loss=dpo_loss
) -> np.ndarray:
    """The gradient of each pair's loss by autograd, whole, in the order of the parameters' leaves."""
    reference = copy.deepcopy(model)
    rows = []
    with parameters.attached(model) as attached, only_leaves_trainable(attached):
        leaves = attached.leaves
        for pair in pairs:
            found = torch.autograd.grad(
                loss(attached.model, reference, pair, beta), [leaf.parameter for leaf in leaves], allow_unused=True
            )
            parts = [
                torch.zeros(leaf.block.size) if one is None else (one.T if leaf.transposed else one).flatten()
                for leaf, one in zip(leaves, found, strict=True)
            ]
            rows.append(torch.cat(parts).numpy())
    return np.stack(rows)
