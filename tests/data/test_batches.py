import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.data.batches import plan_batches
from spice_select.errors import InputError

LENGTHS = st.lists(st.integers(1, 500), max_size=200)


@given(LENGTHS, st.integers(1, 2000))
def test_each_row_is_in_one_batch(lengths, budget):
    batches = plan_batches(lengths, token_budget=budget)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(batches)


@given(LENGTHS, st.integers(1, 2000))
def test_padded_tokens_stay_within_the_budget_save_for_a_longer_row_alone(lengths, budget):
    for batch in plan_batches(lengths, token_budget=budget):
        padded = len(batch) * max(lengths[position] for position in batch)
        assert padded <= budget or len(batch) == 1


@given(LENGTHS, st.integers(1, 2000))
def test_batches_are_buckets_of_falling_length(lengths, budget):
    order = [lengths[position] for batch in plan_batches(lengths, token_budget=budget) for position in batch]
    assert order == sorted(order, reverse=True)


@given(LENGTHS, st.integers(1, 2000))
def test_the_same_lengths_give_the_same_plan_and_plain_integers(lengths, budget):
    plan = plan_batches(lengths, token_budget=budget)
    assert plan == plan_batches(list(lengths), token_budget=budget)
    assert all(type(position) is int for batch in plan for position in batch)


def test_no_rows_give_no_batches():
    assert plan_batches([], token_budget=10) == []


@pytest.mark.parametrize(("lengths", "budget"), [([3], 0), ([3], -1), ([3, 0], 10)])
def test_impossible_sizes_are_refused(lengths, budget):
    with pytest.raises(InputError):
        plan_batches(lengths, token_budget=budget)
