"""Runs whose proxy is warmed up first: trained once, resumed bit for bit, and their adapter can be used again."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from spice_select import load
from spice_select.store import PartStore

from .conftest import run

WARM = ("--warmup-rows", "12", "--precondition", "diagonal", "--normalise", "unit")


@pytest.fixture(scope="module")
def warm(asked, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("warm") / "r"
    code, said = run((*asked, *WARM, "--out", str(out)))
    assert code == 0, said
    assert "Warming up: 12 rows" in said
    return out


def test_a_warm_run_differs_from_a_cold_one_and_is_resumed_without_a_second_warm_up(asked, warm, whole, tmp_path):
    assert not np.allclose(load(warm).features.features, load(whole).features.features, rtol=0.1)
    folder = tmp_path / "r"
    shutil.copytree(warm, folder)
    (folder / "manifest.json").unlink()
    store = PartStore(folder / "gradients")
    store.path(2).unlink()
    code, said = run((*asked, *WARM, "--out", str(folder)))
    assert code == 0, said
    assert "Warming up" not in said
    assert store.path(2).read_bytes() == PartStore(warm / "gradients").path(2).read_bytes()


def test_a_damaged_warm_adapter_is_trained_again_to_the_same_bits(asked, warm, tmp_path):
    folder = tmp_path / "r"
    shutil.copytree(warm, folder)
    (folder / "manifest.json").unlink()
    adapter, true = (place / "gradients" / "warm.safetensors" for place in (folder, warm))
    adapter.write_bytes(true.read_bytes()[:-9])
    PartStore(folder / "gradients").path(0).unlink()
    code, said = run((*asked, *WARM, "--out", str(folder)))
    assert code == 0, said
    assert adapter.read_bytes() == true.read_bytes()


def test_the_adapter_of_a_run_serves_another(asked, warm, tmp_path):
    adapter = ("--adapter", str(warm / "gradients" / "warm.safetensors"), "--precondition", "diagonal")
    code, said = run((*asked, *adapter, "--normalise", "unit", "--out", str(tmp_path / "r")))
    assert code == 0, said
    found, expected = load(tmp_path / "r"), load(warm)
    assert np.array_equal(found.features.features, expected.features.features)
    assert found.manifest["identity"]["model_weights_sha256"] != expected.manifest["identity"]["model_weights_sha256"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--precondition", "adam"), "--warmup-rows"),
        (("--warmup-rows", "5", "--parameters", "last-layer"), "only a LoRA"),
        (("--adapter", "nowhere"), "there is no such file"),
        (("--schedule", "interleaved", "--parameters", "full"), "--parameters"),
        (("--schedule", "interleaved", "--warmup-rows", "4"), "--warmup-rows"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_loaded(asked, tmp_path, flags, words):
    code, said = run((*asked, *flags, "--out", str(tmp_path / "r")))
    assert code == 2
    assert words in " ".join(said.split())
    assert not (tmp_path / "r").exists()
