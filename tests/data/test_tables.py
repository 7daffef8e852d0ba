"""Rows and examples on disk are those that were put away."""

import datetime
import decimal
import errno
import math
import tempfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data.encoding.table import ExampleTable
from spice_select.data.records import Example, Row
from spice_select.data.row_table import RowTable
from spice_select.data.samples import PickedSamples, SamplesByRow, in_order
from spice_select.errors import InputError
from spice_select.store import Spool

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.binary(max_size=8)
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.tuples(st.integers())
)
_VALUES = st.recursive(
    _LEAVES, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside)
)


def alike(one: Any, other: Any) -> bool:
    """The definition: the same types, the same values, NaN included, fields in the same order."""
    return type(one) is type(other) and repr(one) == repr(other)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.dictionaries(st.text(st.characters(codec=None), max_size=4), _VALUES, max_size=4), max_size=4))
def test_rows_come_back_as_they_came(raws: list[dict[str, Any]]) -> None:
    table = RowTable.of((raw, f"a.jsonl:{number}") for number, raw in enumerate(raws))
    assert len(table) == len(raws)
    for number, (row, raw) in enumerate(zip(table, raws, strict=True)):
        assert alike(row.raw, raw)
        assert (row.number, row.where) == (number, f"a.jsonl:{number}")
        assert row.content_hash == Row(number, raw, "").content_hash
    assert [row.number for row in table[1:3]] == list(range(len(raws)))[1:3]


def test_ordinary_rows_take_no_memory_and_others_are_kept_whole() -> None:
    rows = [
        {"text": "plain", "n": 2**70, "x": 1.5, "none": None, "list": [{"role": "user"}]},
        {"img": b"\x89PNG", "at": datetime.datetime(2024, 1, 2), "nan": math.nan, "sum": decimal.Decimal("1.10")},
        {"map": [(1, "a tuple is no list")]},
    ]
    table = RowTable.of((raw, "") for raw in rows)
    assert list(table._kept) == [2]
    assert all(map(alike, [row.raw for row in table], rows))
    with pytest.raises(IndexError):
        table[3]
    assert table[-1].raw == rows[-1]


def example(row: int, length: int, source: str = "s", **more: Any) -> Example:
    draw = np.random.default_rng(row)
    ids, mask = draw.integers(0, 2**31 - 1, length, dtype=np.int32), draw.random(length) > 0.5
    return Example(row=row, input_ids=ids, supervised=mask, source=source, content_hash=f"{row:064x}", **more)


_FIELDS = ("row", "source", "content_hash", "truncated", "remarks", "num_tokens", "num_supervised", "padded_tokens")


@given(st.lists(st.integers(1, 70), max_size=8))
def test_examples_come_back_as_they_were(lengths: list[int]) -> None:
    known = [
        example(2 * place, length, f"s{place % 3}", truncated=place % 2, remarks=("x",) * (place % 3))
        for place, length in enumerate(lengths)
    ]
    table = ExampleTable()
    for one in known:
        table.append(one)
    assert len(table) == len(known)
    for one, other in zip([*known, *reversed(known)], [*table, *reversed(table)], strict=True):
        assert [getattr(one, name) for name in _FIELDS] == [getattr(other, name) for name in _FIELDS]
        assert np.array_equal(one.input_ids, other.input_ids)
        assert np.array_equal(one.supervised, other.supervised)
        assert (other.input_ids.dtype, other.supervised.dtype) == (np.int32, np.bool_)
        assert isinstance(other, Example)
        assert other.sequences == (other,)


def test_examples_by_row_are_those_of_a_dict() -> None:
    known = [example(row, 3) for row in (0, 2, 5)]
    by_row, plain = SamplesByRow(known), {one.row: one for one in known}
    assert list(by_row) == list(plain)
    assert dict(by_row) == plain
    assert in_order(by_row) == in_order(plain) == known
    assert 3 not in by_row
    picked = PickedSamples(by_row, np.array([5, 0]))
    assert (list(picked), picked[0:1], len(picked)) == ([known[2], known[0]], [known[2]], 2)


def test_records_come_back_in_any_order_and_while_more_are_written() -> None:
    spool, records = Spool(), [bytes([n]) * n for n in range(9)]
    for number, record in enumerate(records):
        spool.append(record)
        assert spool[number // 2] == records[number // 2]
    assert [spool[n] for n in (8, 0, 3)] == [records[n] for n in (8, 0, 3)]
    assert list(spool) == records


def test_a_full_disk_for_temporary_files_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def tell(self) -> int:
            return 0

        def write(self, record: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(InputError, match=r"The disk is full"):
        Spool().append(b"x")
