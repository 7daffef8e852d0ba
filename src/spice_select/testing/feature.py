"""The contract of a feature, as a suite for yours: `check_feature` raises AssertionError naming what is broken."""

import json
from collections.abc import Sequence

import numpy as np

from spice_select.data.records import Example
from spice_select.features import Feature
from spice_select.store import FeatureBlock


def check_feature(feature: Feature, examples: Sequence[Example], *, rtol: float = 2e-5) -> None:
    """Try to refute what `Feature` promises: rows in order, the same alone and in company, facts that can be kept.

    Args:
        feature: of a model that can read the examples.
        examples: two or more, of different lengths.
        rtol: largest difference allowed, relative to the largest number of a column.

    Raises:
        AssertionError: with the promise that is broken.
    """
    facts = dict(feature.facts())
    assert json.loads(json.dumps(facts)) == facts, f"{feature.name}: its facts do not survive JSON"
    assert feature.name.isidentifier() or feature.name.replace("-", "_").isidentifier(), "its name is no folder's"
    compute = feature.open()
    together = compute(examples)
    assert together.rows.tolist() == [example.row for example in examples], f"{feature.name}: rows out of order"
    _check_shape(feature.name, together, len(examples))
    backwards = compute(examples[::-1])
    _same(feature.name, backwards, together.take(np.arange(len(examples))[::-1]), rtol, "in another order")
    for position, example in enumerate(examples):
        _same(feature.name, compute([example]), together.take(np.array([position])), rtol, "alone")


def _check_shape(name: str, block: FeatureBlock, rows: int) -> None:
    for column, values in block.columns.items():
        assert values.shape == (rows,), f"{name}: column {column} has shape {values.shape} for {rows} rows"
    assert block.finite.dtype == bool, f"{name}: finite is not true or false"
    if block.dim:
        assert block.features.dtype == np.float32, f"{name}: vectors of {block.features.dtype}, not float32"
        assert block.features.shape[0] == rows, f"{name}: {block.features.shape[0]} vectors for {rows} rows"
        assert not block.features[~block.finite].any(), f"{name}: a row that is not finite keeps its vector"


def _same(name: str, found: FeatureBlock, due: FeatureBlock, rtol: float, how: str) -> None:
    columns = {**{key: (found[key], due[key]) for key in due.columns}, "vectors": (found.features, due.features)}
    for column, (here, there) in columns.items():
        if not there.size:
            continue
        worst, scale = float(np.abs(here - there).max()), float(np.abs(there).max())
        assert worst <= rtol * scale + 1e-9, f"{name}: {column} differ {how} by {worst:.3g} of {scale:.3g}"
