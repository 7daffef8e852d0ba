"""With a proxy that stands still everything is known before anything is chosen, and looked at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import spice_select as spice
from spice_select.numerics import features


@pytest.mark.parametrize("more", [{}, {"schedule": "pools", "pool_size": 20}])
def test_selection_and_judging_together_take_the_squares_of_the_gradients_once(
    corpus: Callable[..., Path], tiny_proxy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    passes: list[int] = []
    squared_norms = features.squared_norms
    monkeypatch.setattr(features, "squared_norms", lambda array: passes.append(len(array)) or squared_norms(array))
    spice.select(
        corpus(), out=tmp_path / "r", model=str(tiny_proxy), sketch_dim=64, batch_tokens=256, budget="25%", **more
    )
    assert passes == [40]
