"""Learnability: every row is judged by the adapter that has not seen its half, and that adapter by plain torch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spice_select.errors import InputError
from spice_select.features import FeatureRequest, learnability
from spice_select.features.learnability import Learnability, halved
from spice_select.features.request import ProxyRequest
from spice_select.features.warmup import Warmup, train_warmup
from spice_select.gradients.build import lora_spec
from spice_select.gradients.settings import GradientSettings
from spice_select.models.load import load_model
from spice_select.models.settings import ProxySettings
from spice_select.progress import Silent
from spice_select.testing.engine import sample_example


def examples():
    return [sample_example(row, 6 + row % 5, 3) for row in range(12)]


def request(tiny: Path, folder: Path | None = None, origin: str | None = None) -> FeatureRequest:
    access = ProxySettings(model=str(tiny), dtype="float32")
    asked = ProxyRequest(access=access, gradients=GradientSettings(lora_rank=4))
    return FeatureRequest(proxy=asked, model="tiny", examples=examples(), folder=folder, origin=origin)


def plain_loss(model, example) -> float:
    """By the definition: the mean of −log p of each supervised token, one row at a time."""
    ids = torch.as_tensor(example.input_ids, dtype=torch.int64)[None]
    with torch.no_grad():
        logs = model(input_ids=ids).logits[0].double().log_softmax(-1)
    places = np.flatnonzero(example.supervised)
    return -float(np.mean([logs[place - 1, int(example.input_ids[place])].item() for place in places]))


def test_each_row_is_judged_by_the_half_it_is_not_in(tiny_proxy: Path) -> None:
    asked = request(tiny_proxy)
    block = Learnability.of(asked).open()(examples())
    halves = halved([example.row for example in examples()], 0)
    spec = lora_spec(asked.proxy.gradients)
    for number, half in enumerate(halves):
        others = [example for example in examples() if example.row not in half]
        cold = load_model(str(tiny_proxy), dtype="float32").model
        before = [plain_loss(cold, example) for example in others]
        how = Warmup(rows=learnability.ROWS, batch_tokens=2048, seed=0)
        warm = train_warmup(cold, [example for example in examples() if example.row in half], spec, how).model
        rows = [example.row for example in others]
        np.testing.assert_allclose(block["loss"][rows], before, rtol=1e-5)
        np.testing.assert_allclose(block["warm"][rows], [plain_loss(warm, one) for one in others], rtol=1e-5)
        assert abs(block["warm"][rows] - block["loss"][rows]).min() > 0, number


def test_adapters_that_are_kept_are_not_trained_again(tiny_proxy: Path, tmp_path: Path, monkeypatch) -> None:
    first = Learnability.of(request(tiny_proxy, tmp_path, "a")).open()(examples())
    monkeypatch.setattr(learnability, "train_warmup", lambda *a, **k: pytest.fail("they are there"))
    again = Learnability.of(request(tiny_proxy, tmp_path, "a")).open()(examples())
    np.testing.assert_array_equal(again["warm"], first["warm"])


def test_one_proxy_is_loaded_for_both_trainings(tiny_proxy: Path, monkeypatch) -> None:
    loaded: list[object] = []
    real = learnability.load_proxy
    monkeypatch.setattr(learnability, "load_proxy", lambda asked: loaded.append(asked) or real(asked))
    Learnability.of(request(tiny_proxy)).open()
    assert len(loaded) == 1


class Heard(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize("adapter", [None, "mine/adapter"])
def test_an_adapter_that_is_left_out_is_said_to_be(tiny_proxy: Path, adapter: str | None) -> None:
    heard, asked = Heard(), request(tiny_proxy)
    given = replace(asked.proxy, gradients=GradientSettings(adapter=adapter))
    Learnability.of(replace(asked, proxy=given, progress=heard)).open()
    assert [note for note in heard.notes if "without mine/adapter" in note] == heard.notes
    assert bool(heard.notes) == (adapter is not None)


def test_one_row_has_no_halves(tiny_proxy: Path) -> None:
    asked = request(tiny_proxy)
    with pytest.raises(InputError, match="each half needs one"):
        Learnability(FeatureRequest(proxy=asked.proxy, model="tiny", examples=examples()[:1])).open()
