"""The gradient stage: every row once, in parts that do not depend on what happened before."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data.records import Example
from spice_select.features.stage import PART_TOKENS, compute_features, plan_parts
from spice_select.gradients.base import BatchGradients
from spice_select.store import PartStore


def examples(lengths: Sequence[int]) -> list[Example]:
    return [
        Example(
            row=number,
            input_ids=np.arange(length, dtype=np.int32),
            supervised=np.arange(length) > 0,
            source="",
            content_hash="",
        )
        for number, length in enumerate(lengths)
    ]


def engine(batch: Sequence[Example]) -> BatchGradients:
    """Features that tell the row: no model needed to test the stage."""
    rows = np.array([example.row for example in batch], np.float64)
    return BatchGradients(features=np.stack([rows, rows**2], 1).astype(np.float32), losses=rows, norms=rows)


@settings(deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=80), st.integers(1, 5000))
def test_parts_hold_every_position_once_and_end_when_full(lengths: list[int], budget: int) -> None:
    parts = plan_parts(lengths, batch_tokens=budget)
    assert sorted(p for part in parts for batch in part for p in batch) == list(range(len(lengths)))
    for part in parts[:-1]:
        sizes = [sum(lengths[p] for p in batch) for batch in part]
        assert sum(sizes) >= PART_TOKENS > sum(sizes[:-1])


def test_features_come_back_in_row_order(tmp_path: Path) -> None:
    _, block = compute_features(examples([3, 9, 1, 5]), lambda: engine, PartStore(tmp_path), batch_tokens=9)
    assert block.rows.tolist() == [0, 1, 2, 3]
    assert block.features[:, 1].tolist() == [0, 1, 4, 9]
    assert block.tokens.tolist() == [3, 9, 1, 5]


def test_a_finished_stage_opens_no_engine(tmp_path: Path) -> None:
    store = PartStore(tmp_path)
    first = compute_features(examples([3, 5]), lambda: engine, store, batch_tokens=9)[1]
    again = compute_features(examples([3, 5]), lambda: pytest.fail("opened"), store, batch_tokens=9)[1]
    assert np.array_equal(first.features, again.features)
