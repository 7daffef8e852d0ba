"""`run.dataset` and `run.rows` give every chosen row back as it came, whatever its fields hold."""

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.training.runs import finished_run, turns

from spice_select.data.sources import read_rows
from spice_select.run.dataset import dataset_of, same
from spice_select.run.finished import Run

PAIR = {"question": "q", "answer": "a"}
ROWS: dict[str, list[dict[str, Any]]] = {
    "objects with fields of their own": [{"meta": {"a": 1}}, {"meta": {"b": [2]}}, {"meta": None}, {"meta": {}}],
    "a null beside a missing field": [{"meta": {"a": None}}, {"meta": {"b": 1}}],
    "turns with calls and without": [
        {"messages": [*turns("a", "b"), {"role": "assistant", "content": None, "tool_calls": [{"x": {"y": 1}}]}]},
        {"messages": turns("a", "b")},
    ],
    "whole numbers and fractions": [{"n": 1}, {"n": 2.5}],
    "whole fractions": [{"n": 1.0}, {"n": 2.0}, {"n": -0.0}],
    "several types": [{"n": 1}, {"n": "1"}, {"n": True}, {"n": None}, {"n": [1]}, {"n": {"a": 1}}],
    "true and one": [{"n": True}, {"n": 1}],
    "missing, null and empty": [{}, {"x": None}, {"x": ""}, {"x": "null"}],
    "empty lists and objects": [{"l": [], "o": {}}, {"l": [], "o": {}}],
    "lists of lists": [{"l": [[1], []]}, {"l": [[], [2, 3]]}],
    "lists with nulls": [{"l": [None, 1]}, {"l": [None]}],
    "another order of fields": [{"o": {"a": 1, "b": 2}}, {"o": {"b": 1, "a": 2}}],
    "long numbers": [{"n": 10**40, "m": 2**63}, {"n": 1, "m": -(2**63)}],
    "the largest fraction": [{"n": [1.7976931348623157e308, 1]}, {"n": 5e-324}],
    "half a character": [{"s": "cut \ud83d"}, {"s": "whole"}],
    "nul": [{"s": "a\x00b"}, {"s": ""}],
    "a field called spice": [{"spice": "two teaspoons"}, {"spice": {"rank": 1}}, {}],
    "bytes": [{"img": {"bytes": b"\x89PNG\x00", "path": "x"}}, {"img": {"bytes": None, "path": "y"}}],
    "times": [{"at": datetime.datetime(2024, 1, 2, 3), "on": datetime.date(2024, 1, 2)}, {"at": None, "on": None}],
    "decimals": [{"price": Decimal("1.10")}, {"price": Decimal("2.25")}],
    "numbers that are none": [{"n": float("nan"), "m": float("inf")}, {"n": 1.5, "m": -2.0}],
}


def came_back(run: Run) -> list[dict[str, Any]]:
    """The rows as a reader of the dataset finds them, by what it says of itself."""
    data = run.dataset
    said = data.info.description.removeprefix("JSON text, to be parsed with json.loads: ").rstrip(".")
    texts, rows = said.split(", "), []
    for row in data:
        note = row.pop("spice")
        for name in note.get("absent", ()):
            assert row.pop(name) is None
        rows.append({k: json.loads(v) if k in texts and v is not None else v for k, v in row.items()})
        if "earlier" in note:
            rows[-1]["spice"] = note["earlier"]
    return rows


def alike(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    """Whether rows are the same; the order of a row's columns is the table's."""
    return all(
        same(dict(sorted(one.items())), dict(sorted(other.items()))) for one, other in zip(rows, others, strict=True)
    )


@pytest.mark.parametrize("case", ROWS)
def test_every_value_comes_back(tmp_path: Path, case: str) -> None:
    rows = [{**PAIR, **row} for row in ROWS[case]]
    run = finished_run(tmp_path / "r", rows, "question/answer")
    assert alike(came_back(run), rows)
    assert alike(run.rows, rows)
    assert all(list(one) == list(other) for one, other in zip(run.rows, rows, strict=True) if "spice" not in other)
    assert [note["rank"] for note in run.dataset["spice"]] == list(range(1, len(rows) + 1))


def test_digits_and_zones_that_a_column_has_but_one_of_are_kept() -> None:
    zones = [datetime.timezone(datetime.timedelta(hours=hours)) for hours in (1, 2)]
    rows = [
        {"price": Decimal("1.10"), "at": datetime.datetime(2024, 1, 2, 3, tzinfo=zones[0])},
        {"price": Decimal("2.125"), "at": datetime.datetime(2024, 1, 2, 4, tzinfo=zones[1])},
    ]
    dataset = dataset_of(rows, [{"rank": 1}, {"rank": 2}])
    assert dataset["price"] == ["1.10", "2.125"]
    assert dataset["at"] == ["2024-01-02T03:00:00+01:00", "2024-01-02T04:00:00+02:00"]
    assert dataset[1]["spice"]["encoded"] == {"/price": "decimal", "/at": "datetime"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3), min_size=1, max_size=4))
def test_any_rows_come_back(rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    notes = [{"rank": number} for number in range(len(rows))]
    monkeypatch.setattr(Run, "dataset", property(lambda _: dataset_of(rows, notes)))
    assert alike(came_back(Run(Path())), rows)


def test_a_column_keeps_its_type_where_that_loses_nothing(tmp_path: Path) -> None:
    from datasets import List, Value

    rows = [{**PAIR, "messages": turns("a", "b"), "n": 1, "x": 0.5, "seen": True}] * 2
    features = finished_run(tmp_path / "r", rows, "question/answer").dataset.features
    assert (features["n"], features["x"], features["seen"]) == (Value("int64"), Value("float64"), Value("bool"))
    assert features["messages"] == List({"role": Value("string"), "content": Value("string")})


def test_a_dataset_goes_to_parquet_and_back(tmp_path: Path) -> None:
    from datasets import load_dataset

    rows = [{**PAIR, "meta": {"a": 1}}, {**PAIR, "meta": {"b": 2}, "x": 1}]
    finished_run(tmp_path / "r", rows, "question/answer").dataset.to_parquet(tmp_path / "x.parquet")
    back = load_dataset("parquet", data_files=str(tmp_path / "x.parquet"), split="train", cache_dir=str(tmp_path / "c"))
    assert back["meta"] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("case", ROWS)
def test_a_dataset_that_was_saved_is_a_corpus_of_the_same_rows(tmp_path: Path, case: str) -> None:
    dataset = dataset_of(ROWS[case], [{"rank": number} for number in range(len(ROWS[case]))])
    dataset.save_to_disk(str(tmp_path / "saved"))
    dataset.to_parquet(str(tmp_path / "a.parquet"))
    for name in ("saved", "a.parquet"):
        assert alike([row.raw for row in read_rows(tmp_path / name)], list(dataset))


def test_without_the_json_feature_such_columns_are_text_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.delattr(datasets, "Json")
    rows = [{**PAIR, "meta": {"a": 1}}, {**PAIR, "meta": {"b": 2}}]
    run = finished_run(tmp_path / "r", rows, "question/answer")
    assert run.dataset["meta"] == ['{"a": 1}', '{"b": 2}']
    assert "meta" in run.dataset.info.description
    assert alike(came_back(run), rows)


def test_bytes_among_texts_say_what_they_are(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "r", [{**PAIR, "x": b"1"}, {**PAIR, "x": "1"}], "question/answer")
    assert run.dataset["x"] == ["MQ==", "1"]
    assert [note.get("encoded") for note in run.dataset["spice"]] == [{"/x": "base64"}, None]
    assert [row["x"] for row in run.rows] == [b"1", "1"]
