"""What follows texts that begin alike is what follows each read alone, of every family that can go on from a text."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spice_select.gradients.branches import branched_log_probabilities, goes_on, next_log_probabilities
from spice_select.models.lora import LoraSpec, attach_lora
from spice_select.testing.models import ARCHITECTURES, tiny_model
from tests.gradients.families import FAMILIES, tiny_family

ASKED = (5, 6, 7)
STOPS = {
    "mistral", "gemma2", "gemma3", "phi3", "cohere2", "gemma3n_text", "gpt_oss", "llama4_text", "phimoe", "starcoder2",
    "gpt_neo", "minimax", "falcon_h1", "jamba", "mamba", "mamba2", "qwen3_next", "zamba2", "bloom", "mpt",
}  # fmt: skip
"""Windows, states and positions of their own: these read every text from its beginning."""


def texts(seed: int, lengths: list[int]) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(3, 40, length).astype(np.int32) for length in lengths]


def alone(model: nn.Module, beginnings: list[np.ndarray], endings: list[np.ndarray]) -> np.ndarray:
    """The definition: each text by itself, the whole distribution of the next token."""
    found = np.empty((len(beginnings), len(endings), len(ASKED)))
    for row, begin in enumerate(beginnings):
        for column, end in enumerate(endings):
            with torch.no_grad():
                ids = torch.from_numpy(np.concatenate([begin, end]).astype(np.int64))[None]
                logs = torch.log_softmax(model(input_ids=ids, use_cache=False).logits[0, -1].double(), 0)
            found[row, column] = logs[list(ASKED)].numpy()
    return found


@pytest.mark.parametrize("family", [*ARCHITECTURES, *FAMILIES])
def test_families_that_go_on_do_so_rightly_and_the_others_are_known(family: str) -> None:
    model = tiny_model(family) if family in ARCHITECTURES else tiny_family(family)
    assert goes_on(model) == (family not in STOPS)
    if family in STOPS:
        return
    beginnings, endings = texts(0, [3, 9, 14, 6]), texts(1, [4, 6, 4])
    found = branched_log_probabilities(model, beginnings, endings, ASKED)
    np.testing.assert_allclose(found, alone(model, beginnings, endings), rtol=0, atol=1e-5)


@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    ends=st.lists(st.integers(1, 8), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_any_lengths_and_any_number_of_endings(lengths: list[int], ends: list[int], seed: int) -> None:
    model, beginnings, endings = tiny_model("qwen2"), texts(seed, lengths), texts(seed + 1, ends)
    due = alone(model, beginnings, endings)
    np.testing.assert_allclose(branched_log_probabilities(model, beginnings, endings, ASKED), due, rtol=0, atol=1e-5)
    whole = [np.concatenate([begin, end]) for begin in beginnings for end in endings]
    plain = next_log_probabilities(model, whole, ASKED).reshape(due.shape)
    np.testing.assert_allclose(plain, due, rtol=0, atol=1e-5)


def test_a_model_that_fails_when_it_is_asked_for_a_cache_reads_every_text_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model("llama")
    assert goes_on(model)
    forward = model.forward

    def without_cache(*args: object, attention_mask=None, position_ids=None, past_key_values=None, **kwargs: object):
        if kwargs.get("use_cache"):
            raise AttributeError("no cache here")
        return forward(*args, **kwargs)

    monkeypatch.setattr(model, "forward", without_cache)
    assert not goes_on(model)


def test_a_model_that_takes_no_notice_of_positions_reads_every_text_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it takes them; the trial shows that it does not."""
    model = tiny_model("llama")
    forward = model.forward

    def by_itself(*args: object, attention_mask=None, position_ids=None, past_key_values=None, **kwargs: object):
        return forward(*args, attention_mask=attention_mask, past_key_values=past_key_values, **kwargs)

    monkeypatch.setattr(model, "forward", by_itself)
    assert not goes_on(model)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "olmo2"])
def test_in_half_precision_it_is_the_same_but_for_rounding(architecture: str) -> None:
    model = tiny_model(architecture).to(torch.bfloat16)
    assert goes_on(model)
    beginnings, endings = texts(5, [3, 12, 7]), texts(6, [4, 5])
    found = branched_log_probabilities(model, beginnings, endings, ASKED)
    np.testing.assert_allclose(found, alone(model, beginnings, endings), rtol=0, atol=0.2)


def test_an_adapter_is_seen_through() -> None:
    model, spec = tiny_model("llama"), LoraSpec(rank=2)
    adapted = attach_lora(model, spec, {layer.name: torch.ones(2, layer.d_in) for layer in spec.layers(model)})
    assert goes_on(adapted)
    beginnings, endings = texts(3, [5, 2]), texts(4, [3, 6])
    found = branched_log_probabilities(adapted, beginnings, endings, ASKED)
    np.testing.assert_allclose(found, alone(adapted, beginnings, endings), rtol=0, atol=1e-5)
