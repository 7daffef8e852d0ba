"""One of a thing is told in the singular, with its verb; thousands have a comma."""

import pytest

from spice_select.settings.counted import counted, leading


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((0, "row"), "0 rows"),
        ((1, "row"), "1 row"),
        ((2000, "row"), "2,000 rows"),
        ((1, "row was", "rows were"), "1 row was"),
        ((3, "row was", "rows were"), "3 rows were"),
    ],
)
def test_a_number_and_what_it_counts(words: tuple, said: str) -> None:
    assert counted(*words) == said


def test_those_at_the_head() -> None:
    assert leading(1, "step") == "first step"
    assert leading(3, "step") == "first 3 steps"
