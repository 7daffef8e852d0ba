"""A row's hash is found once, and keeping it changes nothing else of the row."""

import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from spice_select.data import records
from spice_select.data.records import Row


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was written as JSON to be hashed."""
    real, seen = records.json_text, []
    monkeypatch.setattr(records, "json_text", lambda raw, **layout: seen.append(raw) or real(raw, **layout))
    return seen


def test_a_row_is_hashed_when_first_asked_and_no_more(hashed: list[Any]) -> None:
    row = Row(0, {"a": 1}, "x:1")
    assert hashed == []
    assert len({row.content_hash for _ in range(3)}) == 1
    assert hashed == [{"a": 1}]


def test_a_row_that_was_hashed_is_still_the_same_row(hashed: list[Any]) -> None:
    row, fresh = Row(0, {"a": 1}, "x:1"), Row(0, {"a": 1}, "x:1")
    digest = row.content_hash
    assert row == fresh
    assert repr(row) == repr(fresh)
    assert pickle.loads(pickle.dumps(row)).content_hash == digest
    assert len(hashed) == 1
    assert replace(row, raw={"a": 2}).content_hash != digest
    with pytest.raises(FrozenInstanceError):
        row.raw = {}  # type: ignore[misc]
