"""Lower bounds as they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.numerics.proven import rounded_down


@pytest.mark.parametrize(("share", "shown"), [(0.99996, 0.999), (0.8467, 0.846), (1.0, 1.0), (0.0, 0.0)])
def test_a_proven_share_is_rounded_down(share: float, shown: float) -> None:
    assert rounded_down(share) == shown


@given(st.floats(0, 1))
def test_what_is_shown_is_never_more_than_what_is_proven(share: float) -> None:
    assert share - 0.0011 < rounded_down(share) <= share + 1e-15
