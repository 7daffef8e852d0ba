"""Every feature of the table keeps the contract; parts of equal facts are shared, block by block or whole."""

from pathlib import Path

import numpy as np
import pytest

from spice_select.features import FEATURES
from spice_select.features.stage import FeatureParts
from spice_select.methods import METHODS
from spice_select.run.settings import SelectSettings
from spice_select.store import FeatureBlock, PartStore
from spice_select.testing.engine import sample_batch
from spice_select.testing.feature import check_feature
from tests.features.cases import CASES, Case, ids


def test_every_entry_of_the_table_has_a_case() -> None:
    assert {case.name for case in CASES} == set(FEATURES.names)


def test_what_methods_need_is_in_the_table() -> None:
    for method in METHODS:
        needs = method.of(SelectSettings.from_flat({"method": method.name}).flat()).needs()
        assert set(needs) <= set(FEATURES.names)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_feature_keeps_the_contract(case: Case, tiny_proxy: Path) -> None:
    feature = case.of(tiny_proxy)
    check_feature(feature, sample_batch())
    block = feature.open()(sample_batch())
    assert tuple(block.columns) == case.columns
    assert block.dim == case.dim


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_parts_are_read_block_by_block_as_they_are_read_whole(case: Case, tiny_proxy: Path, tmp_path: Path) -> None:
    store, examples = PartStore(tmp_path / case.name), sample_batch()
    parts = FeatureParts(examples=examples, feature=case.of(tiny_proxy), store=store, batch_tokens=24)
    count = parts.compute()
    whole, blocks = store.read(count), list(store.blocks(count))
    rows = np.concatenate([block.rows for block in blocks])
    assert sorted(rows) == whole.rows.tolist()
    joined = FeatureBlock.concatenate(blocks).take(np.argsort(rows))
    np.testing.assert_array_equal(joined.features, whole.features)
    for name, column in whole.columns.items():
        np.testing.assert_array_equal(joined[name], column)


class Late:
    """A feature that must not be opened: everything is there."""

    name = "gradients"

    def facts(self):
        return {}

    def open(self):
        pytest.fail("a finished stage loads no model")


def test_finished_parts_open_nothing(tiny_proxy: Path, tmp_path: Path) -> None:
    store, examples = PartStore(tmp_path / "gradients"), sample_batch()
    FeatureParts(examples=examples, feature=CASES[0].of(tiny_proxy), store=store, batch_tokens=24).compute()
    assert FeatureParts(examples=examples, feature=Late(), store=store, batch_tokens=24).compute() == 1
