"""Entropy of weights, by hand."""

import math

import numpy as np
import pytest

from spice_select.numerics.entropy import entropy


def test_it_is_of_shares_and_an_empty_one_adds_nothing():
    assert entropy(np.array([2, 2, 0, 4])) == pytest.approx(1.5 * math.log(2))
    assert entropy(np.array([1e-9, 3e-9])) == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))


def test_one_share_has_none():
    assert math.copysign(1, entropy(np.array([7.0, 0.0]))) == 1
    assert entropy(np.array([7.0, 0.0])) == 0
