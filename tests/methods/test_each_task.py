"""Each task of a target takes what it would take alone, and has as many tokens as the others."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.methods import METHODS, Candidates
from spice_select.methods.budget import Allowance
from spice_select.methods.each_task import EachTask, in_turns
from spice_select.methods.information import Information
from spice_select.methods.target import TargetSet
from spice_select.progress import Silent
from spice_select.run.settings import SelectSettings
from spice_select.selection.objectives import TargetInformation
from spice_select.testing.method import sample_candidates


def of(**asked: object) -> EachTask:
    flat = SelectSettings.from_flat({"method": "each-task", "target": ("t",), **asked}).flat()
    method = METHODS["each-task"].of(flat)
    assert isinstance(method, EachTask)
    return method


def aimed(n: int, tasks: list[str], seed: int = 0) -> Candidates:
    """Rows of some gradients, and a target of others."""
    own = sample_candidates(n, features=("gradients",))
    drawn = np.random.default_rng([seed, 5])
    block = own.features["gradients"].take(drawn.integers(0, n, len(tasks)))
    block = replace(
        block,
        rows=np.arange(len(tasks)),
        features=block.features + drawn.normal(size=block.features.shape).astype(np.float32),
    )
    target = TargetSet(rows=np.arange(len(tasks)), tasks=tasks, features={"gradients": block})
    return replace(own, supervised=drawn.integers(5, 60, n), target=target)


def naive(candidates: Candidates) -> list[tuple[int, int]]:
    """The definition: whole orders of all tasks, walked through."""
    assert candidates.target is not None
    orders = []
    for own in candidates.target.groups.values():
        side = candidates.aimed_at(candidates.target.take(own))
        chooser = Information(TargetInformation, agreeing=1.0)
        choice = chooser.choose(side, Allowance(rows=len(candidates)), seed=0, progress=Silent())
        orders.append(choice.indices.tolist())
    had, taken = [0] * len(orders), list[tuple[int, int]]()
    while len(taken) < len(candidates):
        turn = min(range(len(orders)), key=lambda place: (had[place], place))
        row = next(row for row in orders[turn] if row not in [other for _, other in taken])
        taken.append((turn, row))
        had[turn] += int(candidates.supervised[row])
    return taken


@pytest.mark.parametrize("supervised", [False, True])
def test_a_row_longer_than_the_budget_makes_no_room_for_rows_of_no_task(supervised: bool) -> None:
    """Rows that serve the tasks are short, so that more of them fit than a first guess has, and one fits at no time."""
    candidates, method = aimed(120, ["a", "b"] * 4), of()
    ranked = method.choose(candidates, Allowance(rows=120), seed=0, progress=Silent()).indices
    lengths = np.full(120, 40)
    lengths[ranked[:60]] = 4
    lengths[ranked[3]] = 301
    candidates = replace(candidates, tokens=lengths + 6 * (not supervised), supervised=lengths)
    budget = Allowance(tokens=300, supervised=supervised)
    choice = method.choose(candidates, budget, seed=0, progress=Silent())
    assert not np.isnan(choice.columns["task"]).any()
    assert 300 - budget.costs(candidates)[choice.indices].sum() < 50
    assert len(choice) > 20


@given(n=st.integers(4, 40), kinds=st.integers(1, 4), seed=st.integers(0, 50), data=st.data())
@settings(max_examples=25, deadline=None)
def test_it_is_the_walk_through_whole_orders(n: int, kinds: int, seed: int, data: st.DataObject) -> None:
    tasks = [f"task {place % kinds}" for place in range(2 * kinds)]
    candidates, rows = aimed(n, tasks, seed), data.draw(st.integers(1, n))
    due = naive(candidates)
    found = of(agreeing=1.0).choose(candidates, Allowance(rows=rows), seed=0, progress=Silent())
    assert found.indices.tolist() == [row for _, row in due[:rows]]
    assert found.columns["task"].tolist() == [turn for turn, _ in due[:rows]]
    assert (found.columns["task_gain"] >= -1e-9).all()
    cost = np.cumsum(candidates.supervised[[row for _, row in due]])
    tokens = data.draw(st.integers(int(candidates.supervised.max()), int(cost[-1])))
    within = of(agreeing=1.0).choose(candidates, Allowance(tokens=tokens, supervised=True), seed=0, progress=Silent())
    assert within.indices.tolist() == [row for _, row in due][: int((cost <= tokens).sum())]


def test_of_one_task_it_is_the_default() -> None:
    candidates = aimed(60, ["only"] * 4)
    found = of().choose(candidates, Allowance(rows=12), seed=0, progress=Silent())
    due = Information(TargetInformation).choose(candidates, Allowance(rows=12), seed=0, progress=Silent())
    assert found.indices.tolist() == due.indices.tolist()
    assert of().notes(candidates, found) == (
        "The target is one task: the picks are those of --method information, in rows.",
    )


def test_tasks_have_equal_tokens_and_the_note_says_what_each_had() -> None:
    candidates = aimed(200, ["a", "a", "b", "c"])
    found = of().choose(candidates, Allowance(rows=60), seed=0, progress=Silent())
    had = [int(candidates.supervised[found.indices[found.columns["task"] == place]].sum()) for place in range(3)]
    assert max(had) - min(had) <= 60, "no further apart than one row"
    (note,) = of().notes(candidates, found)
    assert note.startswith("Tasks took turns by supervised tokens: a ")
    assert f"{had[1]:,} tokens; c " in note


def test_whose_turn_it_is() -> None:
    supervised = np.array([10, 10, 30, 10, 20, 10])
    found = [*in_turns([[2, 0, 1], [3, 2, 4, 5], [0, 5]], supervised)]
    assert found == [(0, 2), (1, 3), (2, 0), (1, 4), (2, 5)], "row 2 is taken, then the third has none left"


@pytest.mark.parametrize("asked", [{"alpha": 0.5}, {"conflict_weight": 0.1}, {"objective": "log-det"}])
def test_what_it_does_not_read_is_refused(asked: dict[str, object]) -> None:
    from spice_select.errors import InputError
    from spice_select.run.feasible import refuse_settings

    with pytest.raises(InputError, match=next(iter(asked)).replace("_", "-")):
        refuse_settings(SelectSettings.from_flat({"method": "each-task", "target": ("t",), **asked}))
