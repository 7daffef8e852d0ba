"""A small interleaved run, in parts small enough that it has several."""

from pathlib import Path
from typing import Any

import pytest

from spice_select.features import stage


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PART_TOKENS", 300)


@pytest.fixture
def options(tiny_proxy: Path) -> dict[str, Any]:
    return {
        "model": str(tiny_proxy),
        "sketch_dim": 64,
        "batch_tokens": 256,
        "budget": "25%",
        "schedule": "interleaved",
        "pool_size": 8,
        "update_every": 2,
        "learning_rate": 0.02,
        "lora_rank": 4,
        "normalise": "none",
    }
