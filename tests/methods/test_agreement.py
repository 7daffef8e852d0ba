"""Rows that agree with a target: against the definition, and what stays where the budget needs more."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.methods.agreement import disagreeing
from spice_select.methods.base import Candidates
from spice_select.methods.budget import Allowance
from spice_select.methods.spice import Spice
from spice_select.methods.target import TargetSet
from spice_select.progress import Silent
from spice_select.selection import TargetInformation
from spice_select.testing.method import sample_candidates


def candidates(n: int, m: int, seed: int, tasks: int = 1) -> Candidates:
    made = sample_candidates(n, 6, seed=seed, features=("gradients",))
    aims = sample_candidates(m, 6, seed=seed + 1, features=("gradients",))
    target = TargetSet(
        rows=np.arange(m), tasks=[str(row % tasks) for row in range(m)], features=dict(aims.features), normalise="none"
    )
    return replace(made, target=target)


def by_definition(own: Candidates, share: float) -> set[int]:
    """Every row's best cosine with a task's mean, the lowest left out."""
    target = own.target
    assert target is not None
    best = []
    for row in own.matrix.dense:
        cosines = []
        for rows in target.groups.values():
            mean = target.matrix.dense[rows].mean(axis=0)
            cosines.append(row @ mean / np.linalg.norm(row) / np.linalg.norm(mean))
        best.append(max(cosines))
    kept = sorted(range(len(own)), key=lambda place: (-best[place], place))[: int(np.ceil(share * len(own)))]
    return set(range(len(own))) - set(kept)


@given(seed=st.integers(0, 200), tasks=st.integers(1, 3), share=st.sampled_from([0.1, 0.5, 0.77, 1.0]))
def test_the_rows_that_agree_least_with_every_task_are_left_out(seed: int, tasks: int, share: float) -> None:
    own = candidates(20, 6, seed, tasks)
    assert own.target is not None
    assert set(disagreeing(own, own.target, share, Allowance(rows=1))) == by_definition(own, share)


@pytest.mark.parametrize("allowance", [Allowance(rows=18), Allowance(tokens=400)], ids=str)
def test_more_stay_where_the_budget_needs_more(allowance: Allowance) -> None:
    own = candidates(20, 6, 3)
    assert own.target is not None
    out = disagreeing(own, own.target, 0.1, allowance)
    left = np.setdiff1d(np.arange(20), out)
    if allowance.rows:
        assert len(left) == allowance.rows
    else:
        assert own.tokens[left].sum() > (allowance.tokens or 0) or not out
    method = Spice(TargetInformation, agreeing=0.1)
    choice = method.choose(own, allowance, seed=0, progress=Silent())
    assert len(choice) == (allowance.rows or len(choice)) > 1


def test_no_pick_is_of_those_left_out() -> None:
    own = candidates(40, 8, 5)
    picks = Spice(TargetInformation).choose(own, Allowance(rows=10), seed=0, progress=Silent()).indices
    assert not by_definition(own, 0.5) & set(picks.tolist())
    everyone = Spice(TargetInformation, agreeing=1.0).choose(own, Allowance(rows=10), seed=0, progress=Silent())
    assert by_definition(own, 0.5) & set(everyone.indices.tolist())
