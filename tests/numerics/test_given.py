"""What callers give is read by what it holds, and each type is asked once, not each of millions of values."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
import torch

from spice_select.errors import InputError
from spice_select.numerics.given import plain_array, plain_labels


class Asked(str):
    """A text that tells which of its attributes were asked for in vain."""

    asked: list[str]

    def __getattr__(self, name):
        Asked.asked.append(name)
        raise AttributeError(name)


def test_no_label_is_asked_what_its_type_can_say():
    Asked.asked = []
    assert plain_labels([Asked("a"), Asked("b")]) == ["a", "b"]
    assert Asked.asked == []


@pytest.mark.parametrize(
    ("given", "due"),
    [
        (np.array([1, 2, 1]), [1, 2, 1]),
        (torch.tensor([1, 2, 1]), [1, 2, 1]),
        (pa.chunked_array([["a"], ["b", "a"]]), ["a", "b", "a"]),
        ([torch.tensor(1), np.int64(2), 1], [1, 2, 1]),
        ([pa.scalar("a"), np.str_("b"), "a"], ["a", "b", "a"]),
        (np.array([torch.tensor(1), np.int64(2), 1], dtype=object), [1, 2, 1]),
        ((label for label in (0.5, None, datetime.date(2024, 1, 1))), [0.5, None, datetime.date(2024, 1, 1)]),
    ],
)
def test_labels_are_pythons_own_whatever_holds_them(given, due):
    found = plain_labels(given)
    assert found == due
    assert len({type(label) for label in found} & {torch.Tensor, np.int64, np.str_, pa.StringScalar}) == 0


@pytest.mark.parametrize("given", [["a", float("nan")], [1, [2]], ["a", np.array([1, 2])]])
def test_a_label_that_tells_no_group_is_refused_with_its_row(given):
    with pytest.raises(InputError, match="of row 1 cannot tell groups apart"):
        plain_labels(given)


def test_tensors_and_masked_rows_are_seen_wherever_in_a_list_they_stand():
    rows = [[1.0, 2.0], torch.tensor([3.0, 4.0], dtype=torch.bfloat16), np.ma.masked_array([5.0, 6.0], [False, False])]
    np.testing.assert_array_equal(plain_array(rows), [[1, 2], [3, 4], [5, 6]])
    with pytest.raises(InputError, match="masked entries"):
        plain_array([[1.0, 2.0], np.ma.masked_array([5.0, 6.0], [False, True])])
