"""What a table holds comes as it is: JSON as its value, no digit added, none cut; else the row and column are told."""

import datetime
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spice_select.data.sources import read_rows
from spice_select.data.sources.values import rows_of_batches
from spice_select.errors import InputError

CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"of": [1, 2]}}}]}
TURNS = [{"role": "user", "content": "Add 1 and 2."}, CALL]


def json_array(*values: Any) -> Any:
    texts = [None if value is None else json.dumps(value) for value in values]
    return pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts, pa.string()))


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def raws(path: Path) -> list[dict[str, Any]]:
    return [row.raw for row in read_rows(path)]


# ---- JSON


def test_json_columns_are_values_at_any_depth(tmp_path: Path) -> None:
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 2]), json_array(*TURNS))
    inside = pa.StructArray.from_arrays([json_array({"x": 2**70}, None)], ["value"])
    maps = pa.MapArray.from_arrays(pa.array([0, 1, 2]), pa.array(["k", "l"]), json_array([1.5], "text"))
    path = parquet(tmp_path / "a.parquet", turns=json_array(TURNS, None), lists=lists, inside=inside, maps=maps)
    assert raws(path) == [
        {"turns": TURNS, "lists": TURNS, "inside": {"value": {"x": 2**70}}, "maps": {"k": [1.5]}},
        {"turns": None, "lists": [], "inside": {"value": None}, "maps": {"l": "text"}},
    ]


def test_a_blank_json_text_is_null_and_a_broken_one_is_told(tmp_path: Path) -> None:
    def column(*texts: str) -> Any:
        return pa.ExtensionArray.from_storage(pa.json_(), pa.array(texts, pa.string()))

    assert raws(parquet(tmp_path / "a.parquet", turns=column("", " ", "[1]"))) == [
        {"turns": None},
        {"turns": None},
        {"turns": [1]},
    ]
    with pytest.raises(InputError, match=r"row 1: the value in the column 'turns' cannot be read"):
        raws(parquet(tmp_path / "b.parquet", turns=column("{}", "{")))


def test_text_that_is_only_said_to_be_json_by_its_field_is_read_as_such(tmp_path: Path) -> None:
    """As an older pyarrow, which does not know the type, reads it."""
    field = pa.field("turns", pa.string(), metadata={"ARROW:extension:name": "arrow.json"})
    other = pa.field("text", pa.string())
    table = pa.table([[json.dumps(TURNS)], ["[1]"]], pa.schema([field, other]))
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert raws(tmp_path / "a.arrow") == [{"turns": TURNS, "text": "[1]"}]


SAVES: list[tuple[str, Callable[[Any, Path], object]]] = [
    ("saved", lambda dataset, path: dataset.save_to_disk(str(path))),
    ("a.parquet", lambda dataset, path: dataset.to_parquet(str(path))),
]


@pytest.mark.parametrize(("name", "save"), SAVES)
@pytest.mark.parametrize("whole", [True, False])
def test_what_datasets_wrote_as_json_comes_back(
    tmp_path: Path, name: str, save: Callable[[Any, Path], object], whole: bool
) -> None:
    datasets = pytest.importorskip("datasets")
    if not hasattr(datasets, "Json"):
        pytest.skip("this version of datasets has no Json feature")
    kind = datasets.Json() if whole else datasets.List(datasets.Json())
    rows = [{"prompt": TURNS[:1], "completion": [CALL]}, {"prompt": TURNS[:1], "completion": None}]
    dataset = datasets.Dataset.from_list(rows, features=datasets.Features({"prompt": kind, "completion": kind}))
    save(dataset, tmp_path / name)
    assert raws(tmp_path / name) == rows


@pytest.mark.parametrize(
    ("text", "cause"), [('{"a": ', "Expecting value"), ('{"a": 1, "a": 2}', "the field 'a' twice")]
)
def test_json_that_cannot_be_read_is_told_by_row_and_column(tmp_path: Path, text: str, cause: str) -> None:
    broken = pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', text]))
    path = parquet(tmp_path / "a.parquet", id=[0, 1], meta=broken)
    with pytest.raises(
        InputError, match=rf"a\.parquet row 1: the value in the column 'meta' cannot be read: .*{cause}"
    ):
        read_rows(path)


# ---- times and numbers


@pytest.mark.parametrize(
    ("kind", "stored"), [(pa.date32(), -(10**6)), (pa.timestamp("us"), 9 * 10**18), (pa.timestamp("s", "UTC"), 10**15)]
)
def test_a_date_that_python_has_not_is_told_by_row_and_column(tmp_path: Path, kind: Any, stored: int) -> None:
    numbers = pa.array([0] * 1500 + [stored], pa.int32() if kind == pa.date32() else pa.int64())
    path = parquet(tmp_path / "a.parquet", text=["x"] * 1501, day=numbers.view(kind))
    with pytest.raises(
        InputError, match=r"a\.parquet row 1500: the value in the column 'day' .*or write the column as"
    ):
        read_rows(path)


def test_a_saved_data_set_names_itself_with_the_value_that_cannot_be_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    days = pa.array([-(10**6)], pa.int32()).view(pa.date32())
    datasets.Dataset(pa.table({"day": days})).save_to_disk(str(tmp_path / "s"))
    with pytest.raises(InputError, match=r"/s row 0: the value in the column 'day'"):
        read_rows(tmp_path / "s")


def test_a_time_of_day_keeps_its_nanoseconds(tmp_path: Path) -> None:
    stored = pa.array([3, 1000, 86_399_999_999_999, None], pa.int64()).view(pa.time64("ns"))
    path = parquet(
        tmp_path / "a.parquet", at=stored, lists=pa.array([[3], [], None, [1000]], pa.list_(pa.time64("ns")))
    )
    assert [row["at"] for row in raws(path)] == [
        "00:00:00.000000003",
        datetime.time(microsecond=1),
        "23:59:59.999999999",
        None,
    ]
    assert [row["lists"] for row in raws(path)] == [["00:00:00.000000003"], [], None, [datetime.time(microsecond=1)]]


def test_a_float_of_16_bits_is_the_shortest_number_that_is_that_float(tmp_path: Path) -> None:
    values = np.array([0.1, 1.1, -0.0, 65504, 6e-8, np.inf, np.nan], np.float16)
    path = parquet(tmp_path / "a.parquet", one=pa.array(values), many=pa.array([values] * len(values)))
    read = raws(path)
    assert [row["one"] for row in read[:2]] == [0.1, 1.1]
    assert read[0]["many"][:2] == [0.1, 1.1]
    for row, value in zip(read, values, strict=True):
        assert np.array_equal(np.float16(row["one"]), value, equal_nan=True)


def test_a_float_of_32_bits_is_the_shortest_number_that_is_that_float(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    drawn = draw.integers(0, 2**32, 3000, dtype=np.uint32).view(np.float32)
    values = np.concatenate([np.array([1.1, -0.0, 1e-45, 3.4e38, np.inf, np.nan], np.float32), drawn])
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values), 2)
    read = raws(parquet(tmp_path / "a.parquet", one=values[: len(lists)], two=lists))
    assert read[0]["one"] == 1.1
    assert repr([row["one"] for row in read]) == repr([float(str(value)) for value in values[: len(lists)]])
    assert repr([value for row in read for value in row["two"]]) == repr([float(str(value)) for value in values])
    assert math.isnan(read[5]["one"])


# ---- other layouts of the same values


def arrow(path: Path, table: pa.Table) -> Path:
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    return path


FLOATS = pa.array([1.1, None, 2.5, 0.1], pa.float32())
TIMES = pa.array([3, None, 1000, 3], pa.time64("ns"))
JSONS = json_array([1], None, {"a": 2}, "x")
WRITTEN = {
    "floats": (FLOATS, [1.1, None, 2.5, 0.1]),
    "times": (TIMES, ["00:00:00.000000003", None, datetime.time(microsecond=1), "00:00:00.000000003"]),
    "json": (JSONS, [[1], None, {"a": 2}, "x"]),
    "texts": (pa.array(["a", None, "c", "d"], pa.string_view()), ["a", None, "c", "d"]),
}
HOLDERS: dict[str, tuple[Callable[[Any], Any], Callable[[list[Any]], list[Any]]]] = {
    "list_view": (
        lambda inside: pa.ListViewArray.from_arrays(pa.array([2, 0, None, 1]), pa.array([2, 1, 0, 3]), inside),
        lambda v: [v[2:], v[:1], None, v[1:]],
    ),
    "large_list_view": (
        lambda inside: pa.LargeListViewArray.from_arrays(pa.array([0, 2, 0]), pa.array([0, 2, 4]), inside),
        lambda v: [[], v[2:], v],
    ),
    "dictionary": (
        lambda inside: pa.DictionaryArray.from_arrays(pa.array([3, 0, None, 1]), inside),
        lambda v: [v[3], v[0], None, None],
    ),
    "runs": (
        lambda inside: pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4, 6], pa.int32()), inside),
        lambda v: [v[0], v[1], v[1], v[2], v[3], v[3]],
    ),
}


AROUND: dict[str, Any] = {
    "nothing": lambda array, due: (array, due),
    "list": lambda array, due: (
        pa.ListArray.from_arrays(pa.array([0, 1, 1, len(due)], pa.int32()), array),
        [due[:1], [], due[1:]],
    ),
    "struct": lambda array, due: (
        pa.StructArray.from_arrays([array], ["a"], mask=pa.array([False, True, *[False] * (len(due) - 2)])),
        [{"a": due[0]}, None, *({"a": value} for value in due[2:])],
    ),
    "map": lambda array, due: (
        pa.MapArray.from_arrays(
            pa.array([0, 1, len(due)], pa.int32()),
            pa.array([f"k{n}" for n in range(len(due))], pa.string_view()),
            array,
        ),
        [{"k0": due[0]}, {f"k{n}": value for n, value in enumerate(due) if n}],
    ),
    "list_view": lambda array, due: (
        pa.ListViewArray.from_arrays(pa.array([1, 0, 0]), pa.array([2, 1, 0]), array),
        [due[1:3], due[:1], []],
    ),
    "fixed": lambda array, due: (
        pa.FixedSizeListArray.from_arrays(array.slice(0, 2), 1),
        [[due[0]], [due[1]]],
    ),
}


@pytest.mark.parametrize("cut", [0, 1])
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("values", WRITTEN)
def test_values_are_the_same_in_whichever_layout(values: str, holder: str, around: str, cut: int) -> None:
    inside, written = WRITTEN[values]
    lay, tell = HOLDERS[holder]
    array, due = AROUND[around](lay(inside), tell(written))
    for batch in (pa.record_batch({"x": array}).slice(cut), pa.table({"x": array}).slice(cut)):
        assert [raw["x"] for raw, _ in rows_of_batches([batch], "a.arrow")] == due[cut:]


def test_a_file_of_other_layouts_is_read(tmp_path: Path) -> None:
    views = pa.array([[1.1], None, [2.2, 3.3]], pa.list_view(pa.float32()))
    maps = pa.array([[("k", 1.1)], [], None], pa.map_(pa.string_view(), pa.float32()))
    read = raws(arrow(tmp_path / "a.arrow", pa.table({"views": views, "maps": maps})))
    assert read == [
        {"views": [1.1], "maps": {"k": 1.1}},
        {"views": None, "maps": {}},
        {"views": [2.2, 3.3], "maps": None},
    ]


def test_arrays_of_a_saved_data_set_have_the_shortest_numbers(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    square = np.array([[1.1, 2.2], [3.3, 4.4]], np.float32)
    shape = datasets.Array2D((2, 2), "float32")
    features = datasets.Features({"one": shape, "many": datasets.Sequence(shape)})
    datasets.Dataset.from_dict({"one": [square], "many": [[square, square]]}, features=features).save_to_disk(tmp_path)
    (row,) = raws(tmp_path)
    due = [[1.1, 2.2], [3.3, 4.4]]
    assert row == {"one": due, "many": [due, due]}


def test_a_tensor_of_arrow_has_the_shortest_numbers(tmp_path: Path) -> None:
    tensor = pa.fixed_shape_tensor(pa.float32(), [2])
    array = pa.ExtensionArray.from_storage(tensor, pa.array([[1.1, 2.2], None], pa.list_(pa.float32(), 2)))
    assert raws(arrow(tmp_path / "a.arrow", pa.table({"x": array}))) == [{"x": [1.1, 2.2]}, {"x": None}]


# ---- maps


def test_a_map_from_numbers_leaves_maps_from_texts_objects(tmp_path: Path) -> None:
    texts = pa.map_(pa.string(), pa.string())
    turns = [[("role", "user"), ("content", "Hi")], None]
    path = parquet(
        tmp_path / "a.parquet",
        numbers=pa.array([[(1, [("a", "b")])], []], pa.map_(pa.int32(), texts)),
        turns=pa.array([turns, []], pa.list_(texts)),
    )
    assert raws(path) == [
        {"numbers": [(1, {"a": "b"})], "turns": [{"role": "user", "content": "Hi"}, None]},
        {"numbers": [], "turns": []},
    ]
