"""Excluded rows stay out of a relaxed choice, even where too few rows have a gradient."""

import numpy as np
import pytest

from spice_select.methods.select_modes import RelaxedMode
from spice_select.selection import Conflict, Features, LogDet


@pytest.mark.parametrize("penalty", [None, Conflict(0.1)])
def test_rows_of_zeros_are_chosen_before_excluded_ones(penalty):
    features = np.random.default_rng(0).standard_normal((400, 2))
    features[100:] = 0.0
    options = {"k": 60, "objective": LogDet(1.0), "penalty": penalty, "excluded": list(range(60))}
    chosen = RelaxedMode().pick(Features(features), options, lambda picked: None)
    assert len(chosen) == 60
    assert chosen.indices.min() >= 60
