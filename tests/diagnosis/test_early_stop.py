"""The stop read off a run's gains is where the rule itself would have ended the run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis import early_stops
from spice_select.errors import InputError
from spice_select.selection import Conflict, GainRatio, greedy, pools
from spice_select.testing.selection import sample_features

from .examples import Picked


def curve(*gains, pools=None):
    numbers = np.zeros(len(gains), int) if pools is None else np.array(pools)
    return Picked(np.arange(len(gains)), np.array(gains, float), np.array(gains, float), np.zeros(len(gains)), numbers)


@given(
    seed=st.integers(0, 30),
    kind=st.sampled_from(["iso", "heavy", "grid"]),
    omega=st.floats(0.05, 0.95),
    weight=st.sampled_from([0.0, 1.0]),
    pool=st.sampled_from([None, 15]),
)
@settings(max_examples=40, deadline=None)
def test_it_falls_where_a_run_with_that_rule_ends(seed, kind, omega, weight, pool):
    rows, options = sample_features(kind, 45, 4, seed=seed), {"penalty": Conflict(weight)}

    def picks(**more):
        if pool is None:
            return greedy(rows, 30, **options, **more)
        return pools(rows, 30, pool_size=pool, **options, **more)

    (found,) = early_stops(picks(), [omega])
    assert found.picks == len(picks(stop=GainRatio(omega)))
    assert found.fewest == len(picks(stop=GainRatio(omega * 1.1)) if omega * 1.1 < 1 else np.unique(picks().pools))
    assert found.most == len(picks(stop=GainRatio(omega * 0.9)))
    assert found.fewest <= found.picks <= found.most
    if weight == 0:
        assert found.returns == 0


def test_a_gain_of_exactly_the_ratio_is_refused_as_the_rule_has_it():
    assert early_stops(curve(1, 0.5, 0.5), [0.5])[0].picks == 1


def test_gains_that_come_back_make_a_stop_unstable():
    (found,) = early_stops(curve(1, 0.4, 0.9, 0.8, 0.1), [0.5])
    assert (found.picks, found.reached, found.returns, found.unstable) == (1, 1.0, 2, True)


def test_a_steep_curve_is_cut_steadily_and_a_flat_one_is_not():
    (steep,) = early_stops(curve(*[1.0] * 20, *[0.1] * 20), [0.5])
    (flat,) = early_stops(curve(*np.linspace(1, 0.97, 4), *np.linspace(0.549, 0.45, 40)), [0.5])
    assert (steep.fewest, steep.picks, steep.most, steep.unstable) == (20, 20, 20, False)
    assert flat.unstable


def test_a_stop_beyond_the_last_pick_is_not_judged():
    (found,) = early_stops(curve(1, 0.9, 0.8), [0.5])
    assert (found.picks, found.reached, found.unstable) == (3, 0.0, False)


def test_pools_stop_each_on_its_own():
    (found,) = early_stops(curve(1, 0.4, 2, 1.5, 1.2, pools=[0, 0, 1, 1, 1]), [0.5])
    assert (found.picks, found.reached) == (4, 0.5)


@pytest.mark.parametrize("omega", [0.0, 1.0, -1.0])
def test_a_ratio_outside_its_range_is_refused(omega):
    with pytest.raises(InputError, match="between 0 and 1"):
        early_stops(curve(1, 0.5), [omega])
