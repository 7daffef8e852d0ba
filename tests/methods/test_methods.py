"""Every method of the table: its worked example, and the contract of methods."""

from dataclasses import replace

import numpy as np
import pytest

import spice_select as spice
from spice_select.methods import METHODS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.longest import Longest
from spice_select.methods.random import Random
from spice_select.methods.top_norm import TopNorm
from spice_select.methods.worth import with_worth
from spice_select.progress import Silent
from spice_select.run.settings import SelectionSettings
from spice_select.testing.method import check_method, sample_candidates
from tests.methods.cases import CASES, Case, ids, worked


def test_every_entry_of_the_table_has_a_case() -> None:
    assert {case.name for case in CASES} == set(METHODS.names)


def test_settings_help_and_errors_come_from_the_table() -> None:
    said = SelectionSettings.model_fields["method"].description or ""
    for method in METHODS:
        assert method.name in said
        assert method.summary in said
    with pytest.raises(spice.InputError, match="top-norm"):
        SelectionSettings(method="topnorm")
    with pytest.raises(spice.InputError, match="Did you mean 'top-norm'"):
        METHODS["topnorm"]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_method_chooses_what_the_worked_example_says(case: Case) -> None:
    choice = case.method.fresh(worked()).choose(worked(), Allowance(rows=3), seed=0, progress=Silent())
    if case.picks is None:
        assert case.method.draws
    else:
        assert choice.indices.tolist() == case.picks


@pytest.mark.parametrize("case", CASES, ids=ids)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_method_keeps_the_contract(case: Case, seed: int) -> None:
    check_method(case.method, seed=seed)


class Greedy(Method):
    """Breaks its promises one by one."""

    name, summary, source = "broken", "", ""

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def choose(self, candidates, allowance, *, seed, progress) -> Choice:
        whole = TopNorm() if self._fault == "needs" else Random()
        if self._fault in ("tokens", "shares"):
            tokens = allowance.tokens if self._fault == "shares" else None
            rows = allowance.rows or (len(candidates) if tokens is None else None)
            quotas = allowance.quotas if self._fault == "tokens" else {}
            allowance = replace(allowance, rows=rows, tokens=tokens, quotas=quotas)
        if self._fault == "supervised":
            allowance = replace(allowance, supervised=False)
        choice = whole.choose(candidates, allowance, seed=0, progress=progress)
        if self._fault == "twice":
            choice.indices[1:] = choice.indices[:-1]
        return choice


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("needs", "not asked for"),
        ("twice", "a row twice"),
        ("tokens", "tokens of a budget"),
        ("shares", "share of"),
        ("supervised", "left room"),
        ("order", "in another order"),
    ],
)
def test_the_suite_finds_what_is_broken(fault: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_method(Greedy(fault))


def test_equal_rows_are_taken_from_the_lowest_number() -> None:
    candidates = worked().take(np.array([3, 1, 0]))  # as a pool of a permutation has them: numbers descend
    for name in ("longest", "top-norm"):
        tied = candidates.take(np.array([0, 1]))
        tied.features["gradients"].columns["norm"][:] = 1.0
        picked = METHODS[name].of({}).choose(tied, Allowance(rows=1), seed=0, progress=Silent())
        assert tied.rows[picked.indices].tolist() == [5]


def test_a_control_says_what_its_picks_were_worth() -> None:
    candidates = sample_candidates(20, 6, features=("gradients",))
    for method in (Random(), TopNorm()):
        choice = method.choose(candidates, Allowance(rows=4), seed=(5, 0), progress=Silent())
        picked = with_worth(choice, candidates, spice.LogDet()).worth
        assert picked is not None
        value = spice.LogDet().value(candidates.matrix.array, choice.indices.tolist())
        assert picked.gains.sum() == pytest.approx(value, rel=1e-9)
        assert (picked.penalties == 0).all()
    assert choice.worth is None


def chosen(method: Method, tokens: list[int], allowance: Allowance) -> list[int]:
    """What is chosen of rows of these lengths, one token of each not trained on."""
    lengths = np.array(tokens)
    candidates = Candidates(
        rows=np.arange(len(tokens)), tokens=lengths, supervised=lengths - 1, sources=[""] * len(tokens)
    )
    return method.choose(candidates, allowance, seed=0, progress=Silent()).indices.tolist()


def test_random_is_the_head_of_one_permutation_whatever_the_budget() -> None:
    """Under seed 0 numpy permutes 6 to 3 2 5 4 0 1; rows 3, 2 and 5 take 10 of 13 tokens, row 4 would take 6."""
    lengths = [4, 7, 3, 5, 6, 2]
    assert chosen(Random(), lengths, Allowance(rows=6)) == [3, 2, 5, 4, 0, 1]
    assert chosen(Random(), lengths, Allowance(rows=2)) == [3, 2]
    assert chosen(Random(), lengths, Allowance(tokens=13)) == [3, 2, 5]


def test_a_budget_in_tokens_ends_at_the_first_row_that_does_not_fit() -> None:
    assert chosen(Longest(), [6, 10, 10, 3], Allowance(rows=4)) == [1, 2, 0, 3]
    assert chosen(Longest(), [6, 10, 10, 3], Allowance(tokens=25)) == [1, 2]
    assert chosen(Longest(), [6, 10, 10, 3], Allowance(tokens=9)) == [0, 3], "longer than the whole budget"


def test_under_shares_of_tokens_every_source_ends_at_its_own_first_row_that_does_not_fit() -> None:
    """Of 30 tokens b is owed 12: a takes 10 and 8 of its 18, b takes 9; its next, 5, is more than the 3 left."""
    lengths = np.array([10, 9, 8, 5, 2, 2])
    candidates = Candidates(
        rows=np.arange(6), tokens=lengths, supervised=lengths, sources=["a", "b", "a", "b", "a", "b"]
    )
    quotas = {"a": spice.Quota(), "b": spice.Quota(minimum=12)}
    found = Longest().choose(candidates, Allowance(tokens=30, quotas=quotas), seed=0, progress=Silent())
    assert found.indices.tolist() == [0, 1, 2]
    capped = {"a": spice.Quota(maximum=11), "b": spice.Quota(maximum=8)}
    found = Longest().choose(candidates, Allowance(tokens=30, quotas=capped), seed=0, progress=Silent())
    assert found.indices.tolist() == [0, 3, 5], "8 exceeds what is left to a, and b never could give 9"
