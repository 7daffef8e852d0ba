"""The states that the output head sees, of every architecture, bare and with a LoRA; and nothing is left behind."""

import numpy as np
import pytest
import torch

from spice_select.gradients.forward import last_states, summed_losses
from spice_select.models.layers import output_head
from spice_select.models.lora import LoraSpec, attach_lora
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import ARCHITECTURES, tiny_model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_states_are_the_last_of_the_model_whatever_is_padded(architecture: str) -> None:
    model, batch = tiny_model(architecture), sample_batch()
    states, lengths = last_states(model, batch)
    assert lengths.tolist() == [example.num_tokens for example in batch]
    for row, example in enumerate(batch):
        ids = torch.from_numpy(example.input_ids.astype(np.int64))[None]
        with torch.no_grad():
            due = model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states[-1][0]
        torch.testing.assert_close(states[row, : example.num_tokens], due, rtol=2e-5, atol=2e-5)


def test_an_adapter_is_seen_through_and_hooks_are_taken_off() -> None:
    batch = sample_batch()
    plain, _ = last_states(tiny_model("llama"), batch)
    model, spec = tiny_model("llama"), LoraSpec(rank=2)
    adapted = attach_lora(model, spec, {layer.name: torch.ones(2, layer.d_in) for layer in spec.layers(model)})
    found, _ = last_states(adapted, batch)
    torch.testing.assert_close(found, plain)
    assert not output_head(adapted).module._forward_pre_hooks
    assert len(summed_losses(adapted, batch)) == len(batch)
