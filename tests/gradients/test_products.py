"""Products with a large bfloat16 factor: as exact as float32 makes them, whoever multiplies."""

import pytest
import torch

from spice_select.gradients import products
from spice_select.gradients.products import summed_outer, times_rows

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")),
]


def drawn(*shape, device="cpu"):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape))).to(device)


@pytest.mark.parametrize("device", DEVICES)
def test_products_of_bfloat16_are_those_of_float64(device):
    large, rows, few = drawn(3, 70, 40, device=device).bfloat16(), drawn(5, 40, device=device), drawn(3, 70, 5)
    few = few.to(device)
    due = large.double() @ rows.double().T
    torch.testing.assert_close(times_rows(large, rows).double(), due, rtol=0, atol=2e-5 * float(due.abs().max()))
    due = large.double().transpose(1, 2) @ few.double()
    found = summed_outer(large, few)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), due, rtol=0, atol=2e-5 * float(due.abs().max()))


def test_what_a_gpu_is_given_is_the_small_factor_but_for_its_last_bits(monkeypatch):
    """The way of a GPU, its products taken in float32 by a processor."""
    monkeypatch.setattr(products, "_halved", lambda values: True)
    monkeypatch.setattr(products, "_product", lambda product, left, right: product(left.float(), right.float()))
    large, rows, few = drawn(3, 70, 40).bfloat16(), drawn(5, 40), drawn(3, 70, 5)
    due = large.float() @ rows.T
    torch.testing.assert_close(times_rows(large, rows), due, rtol=0, atol=2**-16 * float(due.abs().max()))
    due = large.float().transpose(1, 2) @ few
    torch.testing.assert_close(summed_outer(large, few), due, rtol=0, atol=2**-16 * float(due.abs().max()))


def test_float64_stays_float64():
    large, rows = drawn(2, 7, 4).double(), drawn(3, 4)
    assert torch.equal(times_rows(large, rows), large @ rows.double().T)
