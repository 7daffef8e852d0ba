"""The products on a torch device: the same picks, whatever torch is set to. Devices here are CPU tensors."""

import numpy as np
import pytest
import torch

from spice_select.numerics.divided import DividedRows
from spice_select.selection import Conflict, LogDet, greedy, naive
from spice_select.selection.paths.blocked.on_device import DeviceBounds, blocked_on
from spice_select.testing.selection import degenerate, require_same, sample_features


@pytest.mark.parametrize("kind", ["iso", "aniso", "heavy", "grid"])
@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_device_picks_what_naive_picks(kind, weight, dtype):
    G = degenerate(sample_features(kind, 300, 20)).astype(dtype)
    penalty = Conflict(weight) if weight else None
    for alpha in (1.0, 1e4):
        options = {"objective": LogDet(alpha=alpha), "penalty": penalty}
        require_same(greedy(G, 120, path=blocked_on("cpu"), **options), naive(G, 120, **options), f"{kind} {alpha}")


def test_rows_far_behind_and_rows_divided_as_they_are_read(monkeypatch):
    monkeypatch.setattr(DeviceBounds, "tile_rows", 64)
    G = sample_features("heavy", 1200, 12).astype(np.float32)
    rows = DividedRows(G, np.linalg.norm(G.astype(np.float64), axis=1))
    for penalty in (None, Conflict(0.1)):
        require_same(greedy(rows, 900, penalty=penalty, path=blocked_on("cpu")), greedy(rows, 900, penalty=penalty), "")


def test_coarser_products_that_torch_is_set_to_are_not_taken_and_stay_set(monkeypatch):
    seen = []
    whole = torch.Tensor.__matmul__
    monkeypatch.setattr(
        torch.Tensor, "__matmul__", lambda a, b: (seen.append(torch.get_float32_matmul_precision()), whole(a, b))[1]
    )
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        greedy(sample_features("iso", 200, 16), 60, path=blocked_on("cpu"))
        assert torch.get_float32_matmul_precision() == "medium"
        assert set(seen) == {"highest"}
    finally:
        torch.set_float32_matmul_precision(before)
