"""Nearly the same texts, against the definition: every pair, every shingle as a text."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data import duplicates
from spice_select.data.duplicates import canonical_text, duplicate_groups, jaccard, near_matches, shingles
from spice_select.errors import InputError

WORDS = ("add", "the", "two", "numbers", "and", "give", "sum", "7", "+", "?")
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join), max_size=12)


def slow_jaccard(left: str, right: str) -> float:
    a, b = shingles(left), shingles(right)
    return len(a & b) / len(a | b) if a and b else 0.0


def slow_groups(texts: list[str], threshold: float) -> list[list[int]]:
    groups: list[list[int]] = []
    for i, text in enumerate(texts):
        values = [slow_jaccard(texts[group[0]], text) for group in groups]
        best = max(range(len(groups)), key=values.__getitem__, default=None)
        if best is not None and values[best] >= threshold:
            groups[best].append(i)
        else:
            groups.append([i])
    return [group for group in groups if len(group) > 1]


def test_shingles_are_runs_of_three_tokens_without_case_and_space():
    assert shingles("Add  two\nNumbers!") == {"add two numbers", "two numbers !"}
    assert shingles("Hi") == {"hi"}
    assert shingles(" \n") == frozenset()
    assert shingles("足し算です") == {"足 し 算", "し 算 で", "算 で す"}


def test_a_canonical_text_forgets_case_width_and_space():
    assert canonical_text(" Ａdd\t\nTWO ") == "add two"


def test_similarity_by_hand():
    # a b c d | a b c e: one shingle of three is shared
    assert jaccard("a b c d", "a b c e") == pytest.approx(1 / 3)
    assert jaccard("", "") == 0


def test_half_a_surrogate_pair_is_a_text_too():
    assert duplicate_groups(["a \ud83d b", "a \ud83d b"]) == [[0, 1]]


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from([0.4, 0.6, 0.8, 1.0]))
def test_groups_are_those_of_the_definition(texts, threshold):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_MISSED", 1e-12)
        assert duplicate_groups(texts, threshold) == slow_groups(texts, threshold)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, st.sampled_from([0.4, 0.6, 0.8, 1.0]))
def test_matches_are_those_of_the_definition(left, right, threshold):
    every = itertools.product(enumerate(left), enumerate(right))
    expected = [(i, j, value) for (i, a), (j, b) in every if (value := slow_jaccard(a, b)) >= threshold]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_MISSED", 1e-12)
        assert near_matches(left, right, threshold) == expected


def test_at_its_own_settings_no_false_pair_is_named_and_few_are_missed():
    base = [" ".join(f"w{i}x{j}" for j in range(40)) for i in range(50)]
    changed = [f"please {text} now" for text in base]  # 2 of 40 shingles are new on each side
    found = near_matches(base, changed)
    assert all(i == j and value == slow_jaccard(base[i], changed[j]) for i, j, value in found)
    assert len(found) == 50
    assert duplicate_groups([*base, *changed]) == [[i, 50 + i] for i in range(50)]


def test_every_member_is_alike_to_the_first():
    """A chain: each is alike to the next, the last not to the first."""
    words = [f"w{i}" for i in range(60)]
    texts = [" ".join(words[shift : shift + 40]) for shift in (0, 3, 6, 9)]
    assert jaccard(texts[0], texts[3]) < 0.8 < jaccard(texts[2], texts[3])
    assert duplicate_groups(texts) == [[0, 1], [2, 3]]


def test_every_text_is_counted():
    seen: list[int] = []
    duplicate_groups(["a", "b", "a"], advance=seen.append)
    near_matches(["a"], ["b", "c"], advance=seen.append)
    assert sum(seen) == 5


@pytest.mark.parametrize("threshold", [0, -1, 1.1, float("nan")])
def test_a_threshold_is_a_similarity(threshold):
    with pytest.raises(InputError, match="threshold"):
        duplicate_groups(["a"], threshold)
