"""Counter-based randomness: the same numbers everywhere, in any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.sketch import Stream


@settings(deadline=None)
@given(start=st.integers(0, 1000), count=st.integers(0, 300))
def test_a_stretch_read_alone_equals_the_same_stretch_read_from_the_beginning(start, count):
    whole = Stream(7, "layer", "signs").words(start + count)
    np.testing.assert_array_equal(Stream(7, "layer", "signs").words(count, start), whole[start:])


def test_known_answers_hold_on_every_platform():
    words = Stream(0, "model.layers.0.mlp.up_proj", "known-answer").words(3)
    assert words.tolist() == KNOWN_WORDS
    assert Stream(0, "a", "b").signs(8).tolist() == KNOWN_SIGNS
    assert Stream(0, "a", "b").permutation(6).tolist() == KNOWN_PERMUTATION


KNOWN_WORDS = [7446435767684164885, 8501113093598034900, 16899470453506245750]
KNOWN_SIGNS = [-1, 1, 1, 1, 1, 1, -1, 1]
KNOWN_PERMUTATION = [5, 1, 4, 0, 2, 3]


@pytest.mark.parametrize("other", [(8, "layer", "signs"), (7, "layer2", "signs"), (7, "layer", "deal")])
def test_another_seed_name_or_purpose_gives_other_numbers(other):
    assert not np.array_equal(Stream(*other).words(8), Stream(7, "layer", "signs").words(8))


def test_signs_and_uniforms_are_balanced_within_four_standard_deviations():
    n = 100_000
    assert abs(Stream(1, "x", "y").signs(n).astype(float).mean()) < 4 / np.sqrt(n)
    uniform = Stream(2, "x", "y").uniform(n)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 4 * np.sqrt(1 / 12 / n)


def test_a_permutation_holds_each_number_once():
    assert sorted(Stream(3, "x", "y").permutation(1000)) == list(range(1000))
