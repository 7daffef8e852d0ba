"""Out of memory halves the batch; nothing is lost and other faults are not hidden."""

import numpy as np
import pytest
import torch

from spice_select.errors import SpiceError
from spice_select.gradients import HookEngine, LoraGradients
from spice_select.gradients.memory import features_within_memory
from spice_select.models.lora import LoraSpec
from spice_select.sketch import SparseJL
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import tiny_model

ENGINE = HookEngine(LoraGradients(LoraSpec(rank=4)), SparseJL(32))
CPU_MESSAGE = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"

CUBLAS_MESSAGE = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"


class Cramped:
    """An engine that fails above a number of rows."""

    def __init__(self, most, error):
        self.most, self.error, self.sizes = most, error, []

    def features(self, model, examples):
        self.sizes.append(len(examples))
        if len(examples) > self.most:
            raise self.error
        return ENGINE.features(model, examples)


ERRORS = [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError(CPU_MESSAGE), RuntimeError(CUBLAS_MESSAGE)]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_batch_that_does_not_fit_is_halved_until_it_does(most, error):
    model, batch = tiny_model("llama"), sample_batch()
    engine = Cramped(most, error)
    found = features_within_memory(engine, model, batch)
    whole = ENGINE.features(model, batch)
    np.testing.assert_allclose(found.features, whole.features, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.losses, whole.losses, rtol=1e-5)
    assert engine.sizes[0] == len(batch)


def test_a_row_that_does_not_fit_alone_is_named():
    with pytest.raises(SpiceError, match=r"row 0 \(12 tokens\) does not fit"):
        features_within_memory(Cramped(0, torch.OutOfMemoryError("no")), tiny_model("llama"), sample_batch())


def test_another_fault_is_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="something else"):
        features_within_memory(Cramped(0, RuntimeError("something else")), tiny_model("llama"), sample_batch())
