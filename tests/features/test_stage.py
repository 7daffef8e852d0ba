"""The stage of features: every row once, in parts that do not depend on what happened before."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data.records import Example
from spice_select.features.base import Compute, usable_together
from spice_select.features.stage import PART_TOKENS, FeatureParts, part_tokens, plan_parts
from spice_select.store import FeatureBlock, PartStore


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


class Numbers:
    """A feature that tells the row: no model needed to test the stage."""

    name = "numbers"

    def __init__(self, *, closed: bool = False) -> None:
        self._closed = closed

    def facts(self) -> dict[str, str]:
        return {}

    def open(self) -> Compute:
        if self._closed:
            pytest.fail("opened")
        return self._of

    def _of(self, batch: Sequence[Example]) -> FeatureBlock:
        rows = np.array([example.row for example in batch])
        columns = {"tokens": np.array([example.num_tokens for example in batch])}
        columns["supervised"] = columns["tokens"] - 1
        return FeatureBlock(rows=rows, columns=columns, finite=np.ones(len(rows), bool), features=self._vectors(rows))

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([rows, rows**2], 1).astype(np.float32)


class WithoutVectors(Numbers):
    """Columns alone: losses, ratings."""

    def _vectors(self, rows: np.ndarray) -> np.ndarray:
        return np.empty((0, 0), np.float32)


def computed(lengths: Sequence[int], feature: Numbers, folder: Path) -> FeatureBlock:
    store = PartStore(folder)
    return store.read(FeatureParts(examples=examples(lengths), feature=feature, store=store, batch_tokens=9).compute())


@settings(deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=80), st.integers(1, 5000))
def test_parts_hold_every_position_once_and_end_when_full(lengths: list[int], budget: int) -> None:
    parts = plan_parts(lengths, batch_tokens=budget)
    assert sorted(p for part in parts for batch in part for p in batch) == list(range(len(lengths)))
    for part in parts[:-1]:
        sizes = [sum(lengths[p] for p in batch) for batch in part]
        assert sum(sizes) >= part_tokens(sum(lengths), batch_tokens=budget) > sum(sizes[:-1])


@pytest.mark.parametrize(
    ("tokens", "batch", "times"),
    [(1, 1, 1), (10**8, 2048, 1), (10**8, 16384, 8), (3 * 10**8, 2048, 3), (2 * 10**9, 16384, 15), (10**12, 2048, 16)],
)
def test_parts_grow_with_the_batch_and_the_corpus(tokens: int, batch: int, times: int) -> None:
    """No corpus has endless parts, and a GPU works for seconds on one; small runs on a CPU are cut as ever."""
    assert part_tokens(tokens, batch_tokens=batch) == times * PART_TOKENS


def test_features_come_back_in_row_order(tmp_path: Path) -> None:
    block = computed([3, 9, 1, 5], Numbers(), tmp_path)
    assert block.rows.tolist() == [0, 1, 2, 3]
    assert block.features[:, 1].tolist() == [0, 1, 4, 9]
    assert block.tokens.tolist() == [3, 9, 1, 5]


def test_a_feature_may_be_columns_alone(tmp_path: Path) -> None:
    block = computed([3, 9, 1, 5], WithoutVectors(), tmp_path)
    assert block.dim == 0
    assert block["tokens"].tolist() == [3, 9, 1, 5]
    assert block.take(np.array([2, 0])).rows.tolist() == [2, 0]


def test_a_finished_stage_opens_nothing(tmp_path: Path) -> None:
    first = computed([3, 5], Numbers(), tmp_path)
    again = computed([3, 5], Numbers(closed=True), tmp_path)
    assert np.array_equal(first.features, again.features)


def test_rows_that_are_left_out_of_a_part_are_in_it_and_marked(tmp_path: Path) -> None:
    stage = FeatureParts(examples=examples([3, 9, 1, 5]), feature=Numbers(), store=PartStore(tmp_path), batch_tokens=9)
    planned = stage.batches(0)
    assert sorted(row for batch in planned for row in batch) == [0, 1, 2, 3]
    receipt = stage.open()(0, [[row] for batch in planned for row in batch if row != 3])
    assert stage.is_finished(0), "the part holds the rows that are due"
    block = stage.store.read(1)
    assert (receipt.rows, block.killers) == (4, {3})
    assert block.finite.tolist() == [True, True, True, False]
    assert block.features[:, 1].tolist() == [0, 1, 4, 0]
    assert block.tokens.tolist() == [3, 9, 1, 5]
    drops = usable_together({"numbers": block})[1]
    assert [(drop.row, drop.reason) for drop in drops] == [(3, "kills-worker")]


def test_a_part_of_one_row_can_be_left_empty(tmp_path: Path) -> None:
    stage = FeatureParts(examples=examples([20000, 5]), feature=Numbers(), store=PartStore(tmp_path), batch_tokens=9)
    part = next(number for number in range(2) if stage.batches(number) == [[0]])
    stage.open()(part, [])
    assert stage.is_finished(part)
    assert stage.store.read([part]).killers == {0}


def test_a_trial_writes_nothing(tmp_path: Path) -> None:
    stage = FeatureParts(examples=examples([3, 9]), feature=Numbers(), store=PartStore(tmp_path), batch_tokens=9)
    receipt = stage.open()(0, [[1]], keep=False)
    assert (receipt.bytes, receipt.sha256) == (0, "")
    assert list(tmp_path.iterdir()) == []
