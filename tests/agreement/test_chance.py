"""The overlap of blind picks, against counting them all."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.agreement.chance import chance_overlap


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 2), (7, 3), (8, 5), (9, 9)])
def test_the_distribution_is_that_of_all_possible_picks(n: int, k: int) -> None:
    overlaps = np.array([len(set(range(k)) & set(pick)) for pick in combinations(range(n), k)])
    for seen in range(k + 1):
        found = chance_overlap(n, k, seen)
        assert found.mean == pytest.approx(overlaps.mean())
        assert found.at_least == pytest.approx(np.mean(overlaps >= seen))
        assert np.mean(overlaps < found.low) <= 0.025
        assert np.mean(overlaps > found.high) <= 0.025


@given(st.integers(1, 60), st.data())
def test_the_interval_is_as_tight_as_its_tails_allow(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    found = chance_overlap(n, k, 0)
    at_least = {seen: chance_overlap(n, k, seen).at_least for seen in (found.low + 1, found.high) if seen <= k}
    assert 0 <= found.low <= found.mean <= found.high <= k or found.low <= found.high
    if found.low + 1 in at_least:
        assert 1 - at_least[found.low + 1] > 0.025 - 1e-9  # one more at the lower end would leave too much out
    if found.high > 0:
        assert at_least[found.high] > 0.025 - 1e-9


def test_the_same_pick_is_no_accident() -> None:
    found = chance_overlap(200, 20, 20)
    assert (found.mean, found.low, found.high) == (2.0, 0, 5)
    assert found.at_least < 1e-20
