"""The held-out loss against plain cross-entropy of one row after the other."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from spice_select.data.records import Example
from spice_select.evaluation.loss import response_losses
from spice_select.gradients import HookEngine, LastLayer, TokenSum
from spice_select.sketch import Identity
from spice_select.testing.models import ARCHITECTURES, VOCABULARY, tiny_model
from tests.rounding import Reach


def examples(count: int, seed: int = 0) -> list[Example]:
    rng = np.random.default_rng(seed)
    made = []
    for row in range(count):
        length = int(rng.integers(4, 40))
        supervised = rng.random(length) < 0.5
        supervised[0], supervised[rng.integers(1, length)] = False, True
        ids = rng.integers(3, VOCABULARY, length).astype(np.int32)
        made.append(Example(row=row, input_ids=ids, supervised=supervised, source="", content_hash=str(row)))
    return made


def oracle(model: nn.Module, example: Example) -> float:
    """The whole logits of the row alone, and the mask applied to the targets."""
    ids = torch.from_numpy(example.input_ids.astype(np.int64))[None]
    labels = torch.where(torch.from_numpy(example.supervised)[None], ids, torch.tensor(-100))
    with torch.no_grad():
        logits = model(input_ids=ids).logits
    return float(cross_entropy(logits[0, :-1].double(), labels[0, 1:], ignore_index=-100, reduction="sum"))


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "mixtral"])
def test_losses_are_plain_cross_entropy_over_the_supervised_tokens(architecture: str) -> None:
    model, rows = tiny_model(architecture), examples(9)
    expected = [oracle(model, row) for row in rows]
    np.testing.assert_allclose(response_losses(model, rows, batch_tokens=100), expected, rtol=2e-5)


@pytest.mark.parametrize("budget", [1, 60, 10_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_losses_are_the_truth_to_within_rounding(dtype: torch.dtype, budget: int) -> None:
    model, rows = tiny_model("llama").to(dtype), examples(6, seed=3)
    reach = Reach(model, HookEngine(LastLayer(), Identity(), TokenSum()), rows)
    found = response_losses(model, rows, batch_tokens=budget)
    np.testing.assert_array_less(np.abs(found - reach.exact.losses), reach.losses)


@pytest.mark.parametrize("budget", [1, 60, 10_000])
def test_company_and_batch_size_change_nothing(budget: int) -> None:
    model, rows = tiny_model("llama"), examples(12, seed=1)
    alone = [response_losses(model, [row], batch_tokens=1)[0] for row in rows]
    np.testing.assert_allclose(response_losses(model, rows, batch_tokens=budget), alone, rtol=1e-5)


def test_a_batch_that_does_not_fit_is_halved() -> None:
    model, rows = tiny_model("llama"), examples(8, seed=2)
    expected = response_losses(model, rows, batch_tokens=10_000)
    plain, sizes = model.forward, []

    def small(*args: object, **kwargs: object) -> object:
        sizes.append(len(kwargs["input_ids"]))  # type: ignore[arg-type]
        if len(kwargs["input_ids"]) > 2:  # type: ignore[arg-type]
            raise torch.OutOfMemoryError("no room")
        return plain(*args, **kwargs)

    model.forward = small  # type: ignore[method-assign]
    np.testing.assert_allclose(response_losses(model, rows, batch_tokens=10_000), expected, rtol=1e-5)
    assert sizes == [8, 4, 2, 2, 4, 2, 2]


def test_the_model_is_left_as_it_came() -> None:
    model = tiny_model("llama").train()
    response_losses(model, examples(3), batch_tokens=100)
    assert model.training
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_dropout_is_off() -> None:
    model, rows = tiny_model("gpt2").train(), examples(4)
    np.testing.assert_array_equal(
        response_losses(model, rows, batch_tokens=100), response_losses(model, rows, batch_tokens=100)
    )
