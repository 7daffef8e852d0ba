"""What JSON cannot say: written as text with its place, read back as it was, and never in silence."""

import datetime
import json
import math
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.data.plain import columns_of, json_text, plain, restored
from spice_select.data.records import Row
from spice_select.run.dataset import same, survives

UTC = datetime.UTC
ODD = {
    "bytes": (b"\x89PNG\x00", "iVBORwA=", "base64"),
    "no bytes": (b"", "", "base64"),
    "a moment": (datetime.datetime(2024, 1, 2, 3, 4, 5, 6), "2024-01-02T03:04:05.000006", "datetime"),
    "a moment in a zone": (datetime.datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00", "datetime"),
    "a day": (datetime.date(2024, 1, 2), "2024-01-02", "date"),
    "a time of day": (datetime.time(3, 4), "03:04:00", "time"),
    "a duration": (datetime.timedelta(days=-1, microseconds=1), "PT-86399.999999S", "duration"),
    "a decimal": (Decimal("1.10"), "1.10", "decimal"),
    "no number": (math.nan, None, "nan"),
    "more than all": (math.inf, None, "infinity"),
    "less than all": (-math.inf, None, "-infinity"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_json_lacks_is_written_with_its_kind_and_read_back(case: str) -> None:
    value, text, kind = ODD[case]
    row = {"a": [{"b/~": value}, value], "": value, "c": 1}
    written, encoded = plain(row)
    assert written == {"a": [{"b/~": text}, text], "": text, "c": 1}
    assert encoded == {"/a/0/b~1~0": kind, "/a/1": kind, "/": kind}
    assert json.loads(json_text(row), parse_constant=pytest.fail) == written
    assert same(restored(json.loads(json_text(row)), encoded), row)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (1, "PT0.000000001S"),
        (-1, "PT-0.000000001S"),
        (86_400_000_000_001, "PT86400.000000001S"),
        (2_000, "PT0.000002S"),
    ],
)
def test_nanoseconds_of_a_duration_are_written_and_stay_text(nanoseconds: int, text: str) -> None:
    pandas = pytest.importorskip("pandas")
    written, encoded = plain({"a": pandas.Timedelta(nanoseconds, "ns")})
    assert (written, encoded) == ({"a": text}, {"/a": "duration"})
    back = restored(dict(written), encoded)["a"]
    assert back == (text if nanoseconds % 1000 else datetime.timedelta(microseconds=nanoseconds // 1000))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
BEYOND = st.recursive(
    JSON | st.floats() | st.binary() | st.datetimes() | st.dates() | st.timedeltas(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_is_left_as_it_is(value: Any) -> None:
    assert same(plain(value)[0], value)
    assert plain(value)[1] == {}
    assert json_text(value) == json.dumps(value, ensure_ascii=False)


@given(BEYOND)
def test_anything_comes_back_from_strict_json(value: Any) -> None:
    written, encoded = plain(value)
    assert same(restored(json.loads(json_text(value), parse_constant=pytest.fail), encoded), value)
    assert plain(written) == (written, {})


def test_other_kinds_stay_texts_and_are_named_by_their_type() -> None:
    known = uuid.UUID(int=7)
    written, encoded = plain({"id": known, "n": np.float32(0.5), "v": np.array([1, 2]), "t": (1, 2), 3: "x"})
    assert written == {"id": str(known), "n": 0.5, "v": [1, 2], "t": [1, 2], "3": "x"}
    assert encoded == {"/id": "UUID"}
    assert restored(written, encoded) == written


def test_a_place_that_is_not_there_is_let_be() -> None:
    odd = {"/b": "base64", "/a/x": "base64", "/a": "base64", "/c": "datetime", "/d": "no such kind"}
    assert restored({"a": "not base64!", "c": "soon", "d": 1}, odd) == {"a": "not base64!", "c": "soon", "d": 1}


def test_places_in_lists_are_one_field_for_people() -> None:
    assert columns_of({"/turns/0/at": "datetime", "/turns/12/at": "datetime", "/img/bytes": "base64"}) == {
        "turns[].at": "datetime",
        "img.bytes": "base64",
    }


@pytest.mark.parametrize(
    ("raw", "digest"),
    [
        ({"question": "q", "answer": "ä 😀", "n": [1, 2.5, None, True]}, "cd0d76e4"),
        ({"b": {"y": "\ud83d", "x": "\x00"}, "a": 10**30}, "33323cdc"),
    ],
)
def test_the_hash_of_rows_that_json_can_hold_has_not_moved(raw: dict[str, Any], digest: str) -> None:
    assert Row(number=0, raw=raw, where="").content_hash.startswith(digest)


def test_the_hash_of_any_row_is_that_of_the_row_as_the_files_hold_it() -> None:
    raw = {name: value for name, (value, _, _) in ODD.items()}
    assert Row(0, raw, "").content_hash == Row(0, plain(raw)[0], "").content_hash
    assert Row(0, {"a": b"x"}, "").content_hash != Row(0, {"a": b"y"}, "").content_hash


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_number_that_would_be_written_as_null_does_not_survive(value):
    assert survives({"arguments": {"x": [1.5, None]}})
    assert not survives({"arguments": {"x": [value]}})
