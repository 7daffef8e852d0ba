"""Out of memory halves the batch; nothing is lost and other faults are not hidden."""

import numpy as np
import pytest
import torch

from spice_select.errors import InputError, SpiceError
from spice_select.features.referenced import Referenced
from spice_select.features.warmup import Warmup, train_warmup
from spice_select.gradients import HookEngine, LoraGradients
from spice_select.gradients.fidelity import Probe, judge_sketch
from spice_select.gradients.memory import features_within_memory
from spice_select.gradients.pairs.dpo import DpoReference
from spice_select.gradients.pairs.weights import AnswerSums
from spice_select.models.lora import LoraSpec
from spice_select.progress import Silent
from spice_select.sketch import SparseJL
from spice_select.testing.engine import sample_batch
from spice_select.testing.models import tiny_model
from tests.schedules.interleaved.test_steps import trainer

from .pair_cases import made_pair

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


def cramp(model, most):
    """Have a model fail, as the CPU's allocator does, for more than a number of sequences."""

    def refuse(module, args, kwargs):
        if len(kwargs["input_ids"]) > most:
            raise RuntimeError(CPU_MESSAGE)

    return model.register_forward_pre_hook(refuse, with_kwargs=True)


PAIRS = [made_pair(row, 4, 1, 3, 4) for row in range(4)]
WHOLE = {"rows": 4, "step_rows": 4, "batch_tokens": 4096}


@pytest.mark.parametrize("rows", [sample_batch()[:4], PAIRS], ids=["answers", "pairs"])
def test_a_warm_up_goes_on_in_halves(rows):
    how = Warmup(**WHOLE).of_pairs() if rows is PAIRS else Warmup(**WHOLE)
    free, cramped = tiny_model("llama"), tiny_model("llama")
    due = train_warmup(free, rows, LoraSpec(rank=2), how).state
    cramp(cramped, 2)
    found = train_warmup(cramped, rows, LoraSpec(rank=2), how).state
    for name, own in due.moments.items():
        torch.testing.assert_close(found.moments[name].first, own.first, rtol=1e-3, atol=1e-6)


def test_a_warm_up_that_no_row_fits_names_it_with_the_remedy():
    model = tiny_model("llama")
    LoraSpec(rank=2).layers(model)  # looks at the model, once
    cramp(model, 0)
    with pytest.raises(InputError, match=r"row \d+ .* does not fit in memory by itself: .*leave the warm-up out"):
        train_warmup(model, sample_batch(), LoraSpec(rank=2), Warmup(rows=4))


def test_what_pairs_are_held_against_is_found_in_halves():
    reference, model = DpoReference(AnswerSums()), tiny_model("llama")
    adapted = train_warmup(model, PAIRS, LoraSpec(rank=2), Warmup(rows=4).of_pairs()).model
    due = Referenced.of(reference, adapted, PAIRS)
    cramp(adapted, 2)
    np.testing.assert_allclose(Referenced.of(reference, adapted, PAIRS).margins, due.margins, rtol=1e-5, atol=1e-5)


def test_a_step_of_the_interleaved_proxy_goes_on_in_halves():
    one = trainer()
    due = one.piece(sample_batch(), 20, 0)
    cramp(one.model, 2)
    found = one.piece(sample_batch(), 20, 0)
    assert found.loss == pytest.approx(due.loss)
    for name, gradient in due.gradient.items():
        torch.testing.assert_close(found.gradient[name], gradient, rtol=1e-3, atol=1e-5)


def test_the_sketch_is_judged_in_halves():
    model, rows = tiny_model("llama"), sample_batch()
    probe = Probe(rows=4, seed=0, together=4, batch_tokens=2048)
    sketched = ENGINE.features(model, rows).features
    cramp(model, 2)
    assert judge_sketch(ENGINE, model, rows, sketched, probe, Silent()).rows == 4
