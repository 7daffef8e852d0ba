"""The products on a torch device: the same picks, whatever torch is set to. Devices here are CPU tensors."""

import numpy as np
import pytest
import torch

from spice_select.errors import InputError
from spice_select.numerics.divided import DividedRows
from spice_select.selection import Conflict, LogDet, TargetVariance, greedy, naive
from spice_select.selection.objectives import DistinctVariance
from spice_select.selection.objectives.reaches import Reaches
from spice_select.selection.paths import eager_on_device
from spice_select.selection.paths.blocked.on_device import DeviceBounds, blocked_on
from spice_select.selection.paths.eager_on_device import DeviceRows, eager_on
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


VARIANCES = {
    "pool": TargetVariance(),
    "sharp": TargetVariance(alpha=30.0),
    "target": TargetVariance(target=sample_features("iso", 30, 20, seed=9)),
    "distinct": DistinctVariance(),
}


@pytest.mark.parametrize("kind", ["iso", "aniso", "heavy", "grid"])
@pytest.mark.parametrize("name", VARIANCES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_by_a_variance_a_device_picks_what_naive_picks(kind, name, dtype, monkeypatch):
    monkeypatch.setattr(eager_on_device, "_TILE_ENTRIES", 64 * 20)
    G = degenerate(sample_features(kind, 300, 20)).astype(dtype)
    options = {"objective": VARIANCES[name]}
    require_same(greedy(G, 90, path=eager_on("cpu"), **options), naive(G, 90, **options), f"{kind} {name}")


def test_rows_divided_and_weighted_as_they_are_read_are_the_same_there():
    G = sample_features("heavy", 400, 12).astype(np.float32)
    lengths = np.linalg.norm(G.astype(np.float64), axis=1)
    for factors in (None, np.linspace(0.2, 3.0, 400)):
        rows = DividedRows(G, lengths, factors)
        read = np.concatenate([tile.numpy() for _, tile in DeviceRows(rows, "cpu").tiles()])
        np.testing.assert_array_equal(read, rows[:])
        options = {"objective": TargetVariance()}
        require_same(greedy(rows, 200, path=eager_on("cpu"), **options), greedy(rows, 200, **options), "")


def test_what_lies_on_a_device_is_read_there_alone(monkeypatch):
    def refuse(*_):
        raise AssertionError("read on the CPU")

    G = sample_features("aniso", 500, 16)
    expected = greedy(G, 60, objective=TargetVariance())
    for name in ("_in_tiles", "_take_all"):
        monkeypatch.setattr(Reaches, name, refuse)
    require_same(greedy(G, 60, objective=TargetVariance(), path=eager_on("cpu")), expected, "")
    with pytest.raises(AssertionError, match="on the CPU"):
        greedy(G, 60, objective=TargetVariance())


def test_no_more_rows_than_numbers_and_a_penalty_go_there_too():
    G = sample_features("iso", 24, 40)
    for penalty in (None, Conflict(0.5)):
        options = {"objective": TargetVariance(), "penalty": penalty}
        require_same(greedy(G, 12, path=eager_on("cpu"), **options), naive(G, 12, **options), "few")
        wide = sample_features("aniso", 200, 10)
        require_same(greedy(wide, 40, path=eager_on("cpu"), **options), naive(wide, 40, **options), "many")


def test_an_objective_that_is_no_variance_is_refused():
    with pytest.raises(InputError, match="LogDet on cpu: only TargetVariance and DistinctVariance"):
        greedy(sample_features("iso", 20, 4), 5, objective=LogDet(), path=eager_on("cpu"))
