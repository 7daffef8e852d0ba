"""γ_m bounds what m roundings add up to, in both precisions."""

import math

import numpy as np
import pytest

from spice_select.numerics import UNIT32, UNIT64, gamma
from spice_select.numerics.rounding import gammas


@pytest.mark.parametrize(("kind", "unit"), [(np.float32, UNIT32), (np.float64, UNIT64)])
def test_the_unit_is_half_the_distance_from_one_to_the_next_number(kind, unit):
    assert unit == float(np.finfo(kind).eps) / 2


@pytest.mark.parametrize("terms", [1, 7, 300, 5000])
def test_no_sum_of_float32_terms_one_after_another_is_off_by_more(terms):
    rng = np.random.default_rng(terms)
    for _ in range(20):
        numbers = rng.exponential(size=terms).astype(np.float32)
        total = np.float32(0.0)
        for number in numbers:
            total += number
        truth = math.fsum(float(number) for number in numbers)
        assert abs(float(total) - truth) <= gamma(terms, UNIT32) * truth


def test_nothing_is_proven_of_too_many_terms():
    assert gamma(2**24, UNIT32) == math.inf
    assert gamma(2**24 - 1, UNIT32) == 2**24 - 1
    assert gammas(np.array([0, 1, 2**24]), UNIT32).tolist() == [0.0, gamma(1, UNIT32), math.inf]
