from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.data.records import Example
from spice_select.errors import InputError
from spice_select.methods.budget import Budget


@pytest.mark.parametrize(
    ("given_as", "usable", "rows"),
    [
        ("10%", 300, 30),
        ("0.1", 300, 30),
        (0.1, 300, 30),
        ("500", 1000, 500),
        (500, 500, 500),
        (np.int64(7), 10, 7),
        (np.float64(0.5), 10, 5),
        ("1", 10, 1),
        (1, 10, 1),
        ("1.0", 10, 10),
        (1.0, 10, 10),
        ("100%", 10, 10),
        ("0.5 %", 1000, 5),
        (".25", 8, 2),
        ("12.5%", 100, 13),
        ("10%", 3, 1),
        (1e-9, 10, 1),
        (" 2_000 ", 5000, 2000),
    ],
)
def test_budgets_as_people_write_them(given_as, usable, rows):
    assert Budget.parse(given_as).rows(usable) == rows


@pytest.mark.parametrize(
    "bad",
    [0, "0", "0%", 0.0, "0.0", -1, "-5", "-10%", -0.1, "200%", 1.5, "2.0", 500.0, "ten", "", "%", "1,000", "10 %%",
     "nan", float("nan"), float("inf"), "1e-1x", True, None, [1]],
)  # fmt: skip
def test_what_is_no_budget_is_refused_by_name(bad):
    with pytest.raises(InputError, match="budget"):
        Budget.parse(bad)


def test_more_rows_than_there_are_is_refused_with_both_numbers():
    with pytest.raises(InputError, match=r"500.*300"):
        Budget.parse("500").rows(300)


def test_a_whole_number_with_a_point_is_told_how_to_ask_for_rows():
    with pytest.raises(InputError, match="write 500"):
        Budget.parse(500.0)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("2M-tokens", 2_000_000),
        ("500k tokens", 500_000),
        ("1.5m-tok", 1_500_000),
        ("300tokens", 300),
        ("1_000 token", 1000),
    ],
)
def test_budgets_in_tokens_are_read_with_their_unit(text, tokens):
    assert Budget.parse(text) == Budget(tokens=tokens)
    assert Budget.parse(str(Budget.parse(text))) == Budget(tokens=tokens)


@pytest.mark.parametrize("text", ["2M-supervised-tokens", "2m supervised tokens", "2000000 Supervised-tok"])
def test_budgets_of_the_tokens_that_are_trained_on_are_read(text):
    assert Budget.parse(text) == Budget(tokens=2_000_000, supervised=True)
    assert str(Budget.parse(text)) == "2000000-supervised-tokens"
    assert Budget.parse(str(Budget.parse(text))) == Budget.parse(text)


def test_a_budget_counts_the_tokens_that_it_names():
    mask = np.array([False, False, True, True])
    row = Example(row=0, input_ids=np.arange(4, dtype=np.int32), supervised=mask, source="", content_hash="")
    assert (Budget(tokens=9).cost(row), Budget(tokens=9, supervised=True).cost(row)) == (4, 2)
    with pytest.raises(InputError, match="7-supervised-tokens: more than the 6 supervised tokens of the usable rows"):
        Budget.parse("7 supervised tokens").check(usable=3, tokens=6)


@pytest.mark.parametrize(
    "text",
    [
        "supervised tokens",
        "5-supervised",
        "0-supervised-tokens",
        "0 tokens",
        "0.2-tokens",
        "-5 tokens",
        "2X-tokens",
        "k tokens",
    ],
)
def test_budgets_in_tokens_that_buy_nothing_are_refused(text):
    with pytest.raises(InputError):
        Budget.parse(text)


def test_a_budget_in_tokens_is_checked_against_the_corpus():
    Budget(tokens=100).check(usable=3, tokens=100)
    with pytest.raises(InputError, match="100 tokens of the usable rows"):
        Budget(tokens=101).check(usable=3, tokens=100)


@given(st.integers(1, 10**6), st.integers(1, 1000))
def test_a_share_gives_the_nearest_number_of_rows_and_never_none_or_too_many(usable, permille):
    rows = Budget.parse(f"{permille / 10}%").rows(usable)
    assert 1 <= rows <= usable
    assert rows == 1 or abs(rows - Fraction(permille * usable, 1000)) <= Fraction(1, 2)


@given(st.one_of(st.integers(1, 10**9), st.floats(1e-6, 1.0)))
def test_what_is_printed_reads_back_as_the_same_kind_of_budget(value):
    budget = Budget.parse(value)
    again = Budget.parse(str(budget)) if "e" not in str(budget) else budget
    assert (again.count, again.share is None) == (budget.count, budget.share is None)
