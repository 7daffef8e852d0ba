"""`--select-device`: chosen with products on another device. CPU tensors stand for a GPU's."""

import pytest
import torch

from spice_select.errors import InputError
from spice_select.methods import METHODS
from spice_select.methods.base import GRADIENTS
from spice_select.methods.budget import Allowance
from spice_select.methods.spice import Spice
from spice_select.progress import Silent
from spice_select.run.feasible import refuse_settings
from spice_select.run.settings import SelectSettings
from spice_select.selection import LogDet, TargetConflict, greedy
from spice_select.selection.paths import eager_on_device
from spice_select.selection.paths.blocked import on_device
from spice_select.testing.method import sample_candidates
from spice_select.testing.selection import sample_features


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"objective": "matched-step", "target": ("t.jsonl",)}, "--select-device cuda with --objective matched-step"),
        ({"method": "information", "target": ("t.jsonl",)}, "--select-device cuda with --objective target-information"),
        ({"carry_state": True, "schedule": "pools"}, "--select-device cuda with --carry-state"),
        ({"method": "loss-low"}, "select_device|--select-device"),
    ],
)
def test_what_is_chosen_on_the_cpu_is_refused_elsewhere(asked, said):
    with pytest.raises(InputError, match=said):
        refuse_settings(SelectSettings.from_flat({"method": "spice", "select_device": "cuda", **asked}))


def test_the_device_is_read_from_the_settings():
    refuse_settings(SelectSettings.from_flat({"method": "spice", "select_device": "cpu:0"}))
    assert Spice.of(SelectSettings.from_flat({"method": "spice", "select_device": "cuda:1"}).flat()).device == "cuda:1"


def test_a_penalty_that_the_device_does_not_know_is_refused():
    G = sample_features("iso", 40, 8)
    with pytest.raises(InputError, match=r"TargetConflict on cpu: only Conflict"):
        greedy(G, 5, objective=LogDet(), penalty=TargetConflict(G[:3], 0.1), path=on_device.blocked_on("cpu"))


def test_the_same_rows_are_chosen_there(monkeypatch):
    asked, made = [], on_device.blocked_on
    monkeypatch.setattr(on_device, "blocked_on", lambda device: (asked.append(device), made(device))[1])
    candidates, allowance = sample_candidates(features=(GRADIENTS,)), Allowance(rows=8)
    for mode in ("exact", "certified"):
        settings = {"method": "spice", "select_mode": mode}
        here, there = (
            Spice.of(SelectSettings.from_flat(settings | more).flat()).choose(
                candidates, allowance, seed=0, progress=Silent()
            )
            for more in ({}, {"select_device": "cpu:0"})
        )
        assert here.indices.tolist() == there.indices.tolist()
    assert asked == ["cpu:0", "cpu:0"]


@pytest.mark.parametrize("asked", [{}, {"objective": "distinct-variance"}], ids=["default", "distinct"])
def test_the_default_chooses_the_same_rows_there(monkeypatch, asked):
    placed, made = [], eager_on_device.eager_on
    monkeypatch.setattr(eager_on_device, "eager_on", lambda device: (placed.append(device), made(device))[1])
    candidates, allowance = sample_candidates(features=(GRADIENTS,)), Allowance(rows=8)
    here, there = (
        METHODS["information"]
        .of(SelectSettings.from_flat({**asked, **more}).flat())
        .choose(candidates, allowance, seed=0, progress=Silent())
        for more in ({}, {"select_device": "cpu:0"})
    )
    assert here.indices.tolist() == there.indices.tolist()
    assert placed == ["cpu:0"]


@pytest.mark.parametrize(("method", "home"), [("spice", on_device), ("information", eager_on_device)])
def test_a_device_that_is_too_small_is_told_with_its_remedy(monkeypatch, method, home):
    def full(*asked, **how):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.49 GiB.\nGPU 0 has a capacity of 1 GiB")

    monkeypatch.setattr(home, "sent_rows", full)
    chooser = METHODS[method].of(SelectSettings.from_flat({"method": method, "select_device": "cpu:0"}).flat())
    with pytest.raises(InputError, match=r"cpu:0 ran out of memory with \d+ rows.*1.49 GiB\.\)\. Choose on the CPU"):
        chooser.choose(sample_candidates(features=(GRADIENTS,)), Allowance(rows=8), seed=0, progress=Silent())


def test_a_device_without_float64_is_refused_for_the_default(monkeypatch):
    monkeypatch.setattr("spice_select.models.precision.choose_device", lambda device: torch.device("mps"))
    with pytest.raises(InputError, match=r"--select-device mps with --objective distinct-variance: mps has no float64"):
        refuse_settings(SelectSettings.from_flat({"select_device": "mps"}))
    refuse_settings(SelectSettings.from_flat({"method": "spice", "select_device": "mps"}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error_before_gradients_are_computed():
    asked = SelectSettings.from_flat({"method": "spice", "select_device": "cuda"})
    with pytest.raises(InputError, match="--select-device: device 'cuda': torch finds no CUDA GPU here"):
        refuse_settings(asked)
    method = Spice.of(asked.flat())
    with pytest.raises(InputError, match="no CUDA GPU"):
        method.choose(sample_candidates(features=(GRADIENTS,)), Allowance(rows=8), seed=0, progress=Silent())
