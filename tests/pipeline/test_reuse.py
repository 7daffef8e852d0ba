"""Another choice from the same gradients computes no gradient."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spice_select as spice
from spice_select.features import stage

Corpus = Callable[..., Path]


@pytest.fixture
def options(tiny_proxy: Path) -> dict[str, Any]:
    return {"model": str(tiny_proxy), "sketch_dim": 64, "batch_tokens": 256, "budget": "25%"}


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the parts that are computed."""
    real, parts = stage.compute_part, []
    monkeypatch.setattr(stage, "PART_TOKENS", 300)
    monkeypatch.setattr(stage, "compute_part", lambda *a, **k: parts.append(1) or real(*a, **k))
    return parts


CHOICES = [{"normalise": "none"}, {"budget": 3}, {"conflict_weight": 0.0}, {"schedule": "pools", "pool_size": 10}]


@pytest.mark.parametrize("change", CHOICES, ids=str)
def test_another_choice_takes_the_gradients_that_are_there(corpus: Corpus, options, tmp_path, computed, change) -> None:
    path = corpus()
    spice.select(path, out=tmp_path / "runs" / "first", **options)
    assert computed
    computed.clear()
    second = spice.select(path, out=tmp_path / "runs" / "second", **{**options, **change})
    assert not computed
    elsewhere = spice.select(path, out=tmp_path / "elsewhere" / "alone", **{**options, **change})
    assert computed
    for name in ("selected.jsonl", "selection.parquet"):
        assert (second.path / name).read_bytes() == (elsewhere.path / name).read_bytes()


@pytest.mark.parametrize("change", [{"seed": 1}, {"loss": "sum"}, {"sketch_dim": 32}, {"max_length": 300}], ids=str)
def test_other_gradients_are_not_taken(corpus: Corpus, options, tmp_path, computed, change) -> None:
    path = corpus()
    spice.select(path, out=tmp_path / "runs" / "first", **options)
    computed.clear()
    spice.select(path, out=tmp_path / "runs" / "second", **{**options, **change})
    assert computed


def test_the_gradients_of_a_moving_proxy_are_not_taken(corpus: Corpus, options, tmp_path, computed) -> None:
    path = corpus()
    spice.select(path, out=tmp_path / "runs" / "first", schedule="interleaved", pool_size=10, **options)
    computed.clear()
    spice.select(path, out=tmp_path / "runs" / "second", **options)
    assert computed


def test_a_damaged_part_of_the_neighbour_is_computed_again_and_the_neighbour_left_alone(
    corpus: Corpus, options, tmp_path, computed
) -> None:
    path = corpus()
    first = spice.select(path, out=tmp_path / "runs" / "first", **options)
    part = first.path / "gradients" / "part-00001.parquet"
    data = bytearray(part.read_bytes())
    data[200] ^= 1
    part.write_bytes(data)
    computed.clear()
    second = spice.select(path, out=tmp_path / "runs" / "second", normalise="none", **options)
    assert len(computed) == 1
    assert part.read_bytes() == bytes(data)
    assert len(second.features.rows) == 40
