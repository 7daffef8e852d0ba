"""Every arm of a bed beside its random."""

import numpy as np
import pytest

from spice_select.comparison.bed import beds
from spice_select.comparison.compared import compare_beds
from spice_select.comparison.null_check import null_check
from spice_select.comparison.records import arm_run_of
from spice_select.comparison.statistics import LossPerToken
from spice_select.comparison.terms import Terms
from spice_select.errors import InputError
from tests.comparison.made import BED, raw, runs


def words(records, terms=None):
    (found,) = compare_beds(records, terms)
    return {one.arm: one.verdict.word for one in found.arms}


def test_each_arm_gets_its_word():
    assert words(runs(*BED)) == {
        "good": "better",
        "poor": "worse",
        "same": "equivalent",
        "long": "no verdict",
        "clean-random": "no verdict",
    }


def test_tokens_are_compared_over_shared_seeds():
    """Random's other seeds, which the arm has no part in, drew more."""
    more = [arm_run_of(raw("random", seed, supervised=8000)) for seed in range(6, 9)]
    (found,) = compare_beds([*runs(("random", 0.0), ("good", -0.05)), *more])
    assert found.arms[0].apart == 0
    assert found.arms[0].verdict.word == "better"


def test_no_verdict_before_five_seeds():
    assert set(words(runs(*BED, seeds=4)).values()) == {"no verdict"}


def test_the_planted_numbers_come_out():
    (found,) = compare_beds(runs(*BED))
    by_name = {one.arm: one for one in found.arms}
    good = by_name["good"]
    assert found.family == 4  # clean-random is a reference
    assert good.difference.mean == pytest.approx(0.05, abs=0.005)
    assert good.difference.mean == pytest.approx(np.mean(good.by_seed))
    assert good.difference.mean == pytest.approx(found.control.loss - good.loss)
    assert good.recovered.bounded
    assert good.recovered.value == pytest.approx(0.25, abs=0.02)
    assert good.recovered.low < 0.25 < good.recovered.high  # 0.05 of 0.2
    assert good.way.bounded
    assert good.way.low < 0.5 < good.way.high  # 0.05 of 0.1
    assert good.bootstrap == pytest.approx(good.difference.interval(), abs=0.001)
    assert good.bad == pytest.approx(0.05)
    assert good.simultaneous[0] < good.difference.interval()[0]
    assert by_name["clean-random"].way is None
    assert next(one.arm for one in found.arms) == "clean-random"  # the best first


def test_an_arm_without_enough_seeds_still_counts_in_the_family():
    records = [*runs(*BED[:3]), arm_run_of(raw("late", 0))]
    (found,) = compare_beds(records)
    assert found.family == 3
    smallest = min((one for one in found.arms if one.p is not None), key=lambda one: one.p)
    assert smallest.p == pytest.approx(3 * smallest.difference.p())
    late = next(one for one in found.arms if one.arm == "late")
    assert late.difference is None
    assert str(late.verdict) == "no verdict (paired seeds: 1, at least 5 are needed)"


def test_another_endpoint_is_another_number():
    terms = Terms(endpoint=LossPerToken())
    (macro,), (by_token,) = compare_beds(runs(*BED)), compare_beds(runs(*BED), terms)
    assert macro.control.loss != by_token.control.loss
    assert words(runs(*BED), terms)["good"] == "better"


def test_runs_judged_on_other_rows_are_not_compared():
    other = raw("good", 0)
    other["held"]["rows"][0] = 999
    with pytest.raises(InputError, match="other held-out rows"):
        beds([*runs(("random", 0.0)), arm_run_of(other)])
    with pytest.raises(InputError, match="'random'"):
        compare_beds(runs(("good", 0.0)))


def test_random_beside_random():
    (bed,) = beds(runs(("random", 0.0), seeds=11))
    found = null_check(bed)
    assert (len(found.first), len(found.second), found.left_out) == (5, 5, (10,))
    assert found.passed()
    with pytest.raises(InputError, match="need four"):
        null_check(beds(runs(("random", 0.0), seeds=3))[0])


def test_a_run_of_no_budget_stands_beside_every_budget():
    made = [raw("untuned", 0, 0.2)]
    made += [raw("random", seed) | {"budget": budget} for budget in (0.05, 0.1) for seed in range(3)]
    found = beds([arm_run_of(one) for one in made])
    assert [bed.budget for bed in found] == [0.05, 0.1]
    assert all({"untuned", "random"} == set(bed.arms) for bed in found)
    assert found[0].title == "noise-40 at 5 % of the tokens, judged on clean"
