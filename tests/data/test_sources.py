import bz2
import datetime
import decimal
import gzip
import json
import lzma
import math
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.json_texts import DEEPEST
from spice_select.data.records import Row
from spice_select.data.sources import bytes as unpacking
from spice_select.data.sources import read_rows
from spice_select.errors import InputError
from spice_select.testing.tokenizers import CHATML_WITH_TOOLS, tiny_tokenizer

RAWS = [
    {"question": "One?", "answer": "1", "meta": {"a": [1, 2.5, None]}},
    {"question": "Zwei?\u2028", "answer": "早上 😀", "meta": None},
    {"question": 'with, "quotes"\nand lines', "answer": "3", "meta": {"a": []}},
]
LINES = "".join(json.dumps(raw, ensure_ascii=False) + "\n" for raw in RAWS)


def raws(path, **options):
    return [row.raw for row in read_rows(path, **options)]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- what can be read


def test_json_lines_come_back_as_they_are_with_number_and_place(tmp_path):
    rows = read_rows(write(tmp_path / "train.jsonl", "\n" + LINES))
    assert [row.raw for row in rows] == RAWS
    assert [row.number for row in rows] == [0, 1, 2]
    assert [row.where for row in rows] == ["train.jsonl:2", "train.jsonl:3", "train.jsonl:4"]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.jsonl.gz", gzip.compress), ("a.jsonl.xz", lzma.compress), ("a.jsonl.bz2", bz2.compress)],
)
def test_packed_files_are_unpacked(tmp_path, name, pack):
    assert raws(write(tmp_path / name, pack(LINES.encode()))) == RAWS


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
@pytest.mark.parametrize("padding", [b"", b"\0" * 20_000])
def test_packed_frames_in_a_row_are_one_content_however_long_they_are(tmp_path, pack, padding):
    long = [{"text": f"{number:x}" * 5000} for number in range(40)]
    frames = [pack("".join(json.dumps(raw) + "\n" for raw in part).encode()) for part in (long[:30], long[30:])]
    assert raws(write(tmp_path / "a.jsonl.packed", frames[0] + padding + frames[1] + padding)) == long


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress, pa.Codec("zstd").compress])
def test_tables_are_unpacked_whatever_packs_them(tmp_path, pack):
    table = pa.Table.from_pylist(RAWS)
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    for name in ("a.parquet", "a.arrow"):
        assert raws(write(tmp_path / f"{name}.packed", bytes(pack((tmp_path / name).read_bytes())))) == RAWS


def test_many_small_frames_are_read_in_a_time_that_grows_with_their_number(tmp_path, monkeypatch):
    given = []

    class Watched:
        def __init__(self):
            self.frame = bz2.BZ2Decompressor()

        def decompress(self, data, size):
            given.append(len(data))
            return self.frame.decompress(data, size)

        def __getattr__(self, name):
            return getattr(self.frame, name)

    monkeypatch.setitem(unpacking._UNPACK, b"BZh", lambda packed: unpacking._Frames(packed, Watched))
    many = [{"text": str(number)} for number in range(1000)]
    frames = b"".join(bz2.compress(json.dumps(raw).encode() + b"\n") for raw in many)
    assert raws(write(tmp_path / "a.jsonl.bz2", frames)) == many
    assert max(given) <= 8192  # of the file, which has more than 50,000 bytes: what is left over is not heaped up


def test_packing_is_seen_by_content_not_by_name(tmp_path):
    assert raws(write(tmp_path / "a.jsonl", gzip.compress(LINES.encode()))) == RAWS


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz", "no-extension", "a.txt"])
@pytest.mark.parametrize("text", [LINES, json.dumps(RAWS), json.dumps(RAWS, indent=2), "\ufeff" + LINES])
def test_json_is_read_as_lines_or_array_whatever_its_name(tmp_path, name, text):
    assert raws(write(tmp_path / name, text)) == RAWS


def test_carriage_returns_at_line_ends_do_not_matter(tmp_path):
    assert raws(write(tmp_path / "a.jsonl", LINES.replace("\n", "\r\n"))) == RAWS


def test_csv_and_tsv_give_strings_and_the_line_of_each_row(tmp_path):
    text = 'question,answer\nOne?,1\n\n"two, ""quoted""\nlines",2\nthree,\n'
    rows = read_rows(write(tmp_path / "a.csv", text))
    assert [row.raw for row in rows] == [
        {"question": "One?", "answer": "1"},
        {"question": 'two, "quoted"\nlines', "answer": "2"},
        {"question": "three", "answer": ""},
    ]
    assert [row.where for row in rows] == ["a.csv:2", "a.csv:4", "a.csv:6"]
    after = read_rows(write(tmp_path / "b.csv", "\r\n\n" + text))
    assert [(row.raw, row.where) for row in after] == [
        (row.raw, f"b.csv:{line}") for row, line in zip(rows, (4, 6, 8), strict=True)
    ]
    assert raws(write(tmp_path / "a.tsv", "question\tanswer\nOne?\t1\n")) == [{"question": "One?", "answer": "1"}]


def test_csv_cells_may_be_longer_than_the_standard_limit(tmp_path):
    assert raws(write(tmp_path / "a.csv", "text\n" + "x" * 200_000 + "\n")) == [{"text": "x" * 200_000}]


def test_parquet_and_both_layouts_of_arrow(tmp_path):
    table = pa.Table.from_pylist(RAWS)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    with pa.OSFile(str(tmp_path / "file.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.OSFile(str(tmp_path / "stream.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    (tmp_path / "unnamed").write_bytes((tmp_path / "a.parquet").read_bytes())
    for name in ("a.parquet", "file.arrow", "stream.arrow", "unnamed"):
        assert raws(tmp_path / name) == RAWS
    assert [row.where for row in read_rows(tmp_path / "stream.arrow")][2] == "stream.arrow row 2"


def test_arrow_reads_the_file_or_memory_of_its_own_and_starts_no_thread(tmp_path, monkeypatch):
    """Its threads may outlive the interpreter, which aborts when memory of Python's is given back to it then."""
    table, given, threads = pa.Table.from_pylist(RAWS), [], list[bool]()
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.OSFile(str(tmp_path / "b.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.OSFile(str(tmp_path / "c.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    real, batches = pa.BufferReader, pq.ParquetFile.iter_batches
    monkeypatch.setattr(pa, "BufferReader", lambda source: given.append(source) or real(source))
    monkeypatch.setattr(
        pq.ParquetFile, "iter_batches", lambda self, **how: threads.append(how["use_threads"]) or batches(self, **how)
    )

    def watched(opened):
        return lambda source, *, options: threads.append(options.use_threads) or opened(source, options=options)

    for name in ("open_file", "open_stream"):
        monkeypatch.setattr(pa.ipc, name, watched(getattr(pa.ipc, name)))
    for name in ("a.parquet", "b.arrow", "c.arrow"):
        assert raws(tmp_path / name) == RAWS
        packed = tmp_path / f"{name}.gz"
        packed.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        assert raws(packed) == RAWS
    assert threads == [False] * 6
    assert all(isinstance(source, pa.Buffer) and source.is_mutable for source in given), "bytes of Python's are not"
    assert len(given) == 3


def test_a_field_that_is_there_twice_with_one_value_loses_nothing(tmp_path):
    assert raws(write(tmp_path / "a.jsonl", '{"a": 1, "a": 1, "b": NaN, "b": NaN}'))[0]["a"] == 1


def test_values_of_tables_come_as_they_are_and_maps_as_objects(tmp_path):
    day, sum_ = datetime.datetime(2024, 1, 2, 3, 4, 5, 6), decimal.Decimal("1.10")
    row = {"bytes": b"\x89PNG\0", "day": day, "sum": sum_, "nan": float("nan"), "whole": 2**62, "none": None}
    table = pa.table(
        {name: [value] for name, value in row.items()}
        | {"map": pa.array([[("k", [1])]], pa.map_(pa.string(), pa.list_(pa.int8())))}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    pq.write_table(
        pa.table({"m": pa.array([[(day, 1)]], pa.map_(pa.timestamp("us"), pa.int8()))}), tmp_path / "b.parquet"
    )
    assert raws(tmp_path / "b.parquet") == [{"m": [(day, 1)]}]  # no object has dates for names
    (read,) = raws(tmp_path / "a.parquet")
    assert math.isnan(read.pop("nan"))
    assert read == {name: value for name, value in row.items() if name != "nan"} | {"map": {"k": [1]}}


def test_a_table_that_would_lose_a_value_is_refused(tmp_path):
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "twice.parquet")
    with pytest.raises(InputError, match=r"twice\.parquet: the column 'a' is there twice"):
        read_rows(tmp_path / "twice.parquet")
    pq.write_table(
        pa.table({"m": pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int8()))}), tmp_path / "map.parquet"
    )
    with pytest.raises(InputError, match=r"map\.parquet row 0: the value in the column 'm' .*the key 'k' twice"):
        read_rows(tmp_path / "map.parquet")
    halves = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xe9\xe9"))
    pq.write_table(pa.table({"a": halves}), tmp_path / "latin.parquet")
    with pytest.raises(InputError, match=r"latin\.parquet row 0: the value in the column 'a' .*utf-8"):
        read_rows(tmp_path / "latin.parquet")


def test_a_folder_of_files_is_read_in_the_order_of_names(tmp_path):
    write(tmp_path / "b.jsonl", LINES)
    write(tmp_path / "a.json", json.dumps([{"question": "first", "answer": "0"}]))
    write(tmp_path / "README.md", "not data")
    write(tmp_path / ".hidden.jsonl", "broken")
    rows = read_rows(tmp_path)
    assert [row.raw for row in rows] == [{"question": "first", "answer": "0"}, *RAWS]
    assert [row.number for row in rows] == [0, 1, 2, 3]
    assert len(read_rows(tmp_path, split="b")) == 3


def test_a_saved_dataset_and_the_split_of_a_saved_dictionary(tmp_path):
    datasets = pytest.importorskip("datasets")
    one = datasets.Dataset.from_list(RAWS)
    one.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": one.select([0, 1]), "test": one.select([2])}).save_to_disk(str(tmp_path / "two"))
    assert raws(tmp_path / "one") == RAWS
    assert raws(tmp_path / "two") == RAWS[:2]
    assert raws(tmp_path / "two", split="test") == RAWS[2:]
    with pytest.raises(InputError, match=r"split='tets'.*train, test.*Did you mean 'test'"):
        read_rows(tmp_path / "two", split="tets")


def test_a_hub_id_is_loaded_only_with_the_network_allowed(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    asked = []

    def load_dataset(path, **options):
        asked.append((path, options))
        return datasets.DatasetDict({"train": datasets.Dataset.from_list(RAWS)})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError, match="--allow-network"):
        read_rows("someone/some-set")
    assert asked == []
    rows = read_rows("someone/some-set", subset="main", revision="abc", allow_network=True)
    assert [row.raw for row in rows] == RAWS
    assert asked == [("someone/some-set", {"name": "main", "revision": "abc"})]


def test_a_hub_id_that_cannot_be_reached_is_an_input_error(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)

    def load_dataset(path, **options):
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError, match=r"someone/some-set.*no route"):
        read_rows("someone/some-set", allow_network=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def nested(depth, inside):
    """Lists and objects in each other, so many in all."""
    value = inside
    for level in range(depth - 1):
        value = [value] if level % 2 else {"in": value, "more": 1}
    return {"a": value}


@pytest.mark.parametrize("inside", [1, None, math.nan])
def test_rows_nested_as_deeply_as_is_taken_pass_through_every_reader(tmp_path, inside):
    answer = json.dumps({"name": "add", "arguments": nested(DEEPEST - 1, None)})
    turns = [("user", "q"), ("function_call", answer), ("tool", "1"), ("assistant", "a")]
    talk = [{"role": role, "content": content} for role, content in turns]
    tool = {"name": "add", "parameters": {"type": "object", "default": nested(DEEPEST - 10, None)}}
    raw = {**nested(DEEPEST, inside), "messages": talk, "tools": json.dumps([tool])}
    (row,) = read_rows(write(tmp_path / "a.jsonl", json.dumps(raw)))
    assert json.dumps(row.raw) == json.dumps(raw)
    encoded = encode_rows([row], detect_format([row]), Encoder(tiny_tokenizer(CHATML_WITH_TOOLS)))
    assert encoded.drops == []
    assert row.content_hash == Row(0, raw, "").content_hash


@pytest.mark.parametrize("depth", [DEEPEST + 1, 400, 700, 985, 100_000])
def test_rows_that_are_nested_deeper_are_refused_and_texts_in_cells_are_texts(tmp_path, depth):
    deep = f'{"{"}"a": {"[" * (depth - 1)}{"]" * (depth - 1)}}}'
    with pytest.raises(InputError, match=r"a.jsonl:2: JSON nested too deeply. Mend or delete the line."):
        read_rows(write(tmp_path / "a.jsonl", f"{json.dumps(RAWS[0])}\n{deep}\n"))
    with pytest.raises(InputError, match=r"b.json: JSON nested too deeply. Mend the file."):
        read_rows(write(tmp_path / "b.json", f"[{deep}]"))
    rows = read_rows(write(tmp_path / "c.jsonl", json.dumps({"question": "q", "answer": deep, "messages": "[]"})))
    assert detect_format(rows).read(rows[0]).messages[1]["content"] == deep


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=4), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_any_json_objects_survive_reading(tmp_path_factory, objects):
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in objects), encoding="utf-8")
    assert raws(path) == objects


# ---- what people get wrong: file, place, cause and remedy

FAULTS = [
    ("empty.jsonl", b"", r"empty.jsonl: the file is empty"),
    ("blank.jsonl", b"\n \n", r"blank.jsonl: the file is empty"),
    ("broken.jsonl", b'{"a": 1}\n\n{"a": }\n', r"broken.jsonl:3: broken JSON: .* column 7.*Mend"),
    ("cut.jsonl", b'{"a": 1}\n{"a": "unfin', r"cut.jsonl:2: broken JSON: Unterminated string starting at column 7"),
    ("list.jsonl", b'{"a": 1}\n[1, 2]\n', r"list.jsonl:2: the line is a list, not a JSON object"),
    ("lists.jsonl", b"[1]\n[2]\n", r"lists.jsonl:1: the line is a list"),
    ("string.jsonl", b'"text"\n', r"string.jsonl:1: the line is a string"),
    ("number.jsonl", b'{"a": 1}\n7\n', r"number.jsonl:2: the line is a number"),
    ("comma.jsonl", b'{"a": 1},\n{"a": 2}\n', r"comma.jsonl:1: broken JSON: .* Take the comma off"),
    ("two.jsonl", b'{"a": 1} {"a": 2}\n', r"two.jsonl:1: broken JSON: .* put each on a line of its own"),
    ("lines.csv", b'{"a":"x","b":"y"}\n', r"lines.csv: the first line is a JSON object.* Name the file .jsonl"),
    ("broken.json", b'[\n{"a": 1},\n{"a" 2}\n]', r"broken.json:3: broken JSON"),
    ("element.json", b'[{"a": 1}, 5]', r"element.json: element 2 of the array is a number"),
    ("object.json", b'{\n"version": 1, "data": [{"a": 1}]\n}', r"the file is an object.*'data' holds a list"),
    ("wrapped.json", b'{"data": [{"a": 1}, {"a": 2}]}', r"the file is an object.*'data' holds a list"),
    ("nothing.json", b"[]", r"nothing.json: holds no rows"),
    ("deep.jsonl", b'{"a":' * 100_000, r"deep.jsonl:1: JSON nested too deeply"),
    ("digits.jsonl", b'{"a": 1}\n{"a": ' + b"9" * 5000 + b"}", r"digits.jsonl:2: a whole number of more than 4300"),
    ("digits.json", b'[{"a": ' + b"9" * 5000 + b"}]", r"digits.json: a whole number of more than 4300 digits"),
    ("latin.jsonl", '{"a": "x"}\n{"a": "é"}\n'.encode("latin-1"), r"n.jsonl:2: not UTF-8: byte 0xe9 at position 18"),
    ("utf16.jsonl", '{"a": 1}'.encode("utf-16"), r"utf16.jsonl: the text is UTF-16.*iconv"),
    ("utf32.jsonl", '{"a": 1}'.encode("utf-32"), r"utf32.jsonl: the text is UTF-32.*iconv -f utf-32 "),
    ("be.csv", b"\0\0\xfe\xff" + "a,b".encode("utf-32-be"), r"be.csv: the text is UTF-32.*iconv -f utf-32 "),
    ("image.jsonl", b"\x89PNG\r\n\x1a\n\0\0\0", r"image.jsonl: a binary file"),
    ("weights.bin", b"\0\1\2\3", r"weights.bin: a binary file that is neither Parquet nor Arrow"),
    ("prose.txt", b"Once upon a time", r"prose.txt: cannot tell what kind of file.*'.txt'.*\.jsonl"),
    ("prose.jsnl", b"Once upon a time", r"prose.jsnl: .*Did you mean '.jsonl'"),
    ("cut.jsonl.gz", gzip.compress(LINES.encode() * 50)[:-20], r"the packed file is damaged or cut short"),
    ("cut.jsonl.xz", lzma.compress(LINES.encode() * 50)[:-20], r"cut.jsonl.xz: the packed file is damaged"),
    ("cut.jsonl.bz2", bz2.compress(LINES.encode() * 50)[:-20], r"cut.jsonl.bz2: the packed file is damaged"),
    ("more.jsonl.xz", lzma.compress(LINES.encode()) + LINES.encode(), r"more.jsonl.xz: the packed file is damaged"),
    ("more.jsonl.bz2", bz2.compress(LINES.encode()) + LINES.encode(), r"more.jsonl.bz2: the packed file is damaged"),
    ("a.tar", b"a.jsonl\0\0\0", r"a.tar: packed as .tar, which is not supported. Unpack it"),
    ("stats.json", b'{\n"rows": 3}', r"stats.json: the file is an object, not .*move the file else"),
    ("a.jsonl.zst", b"(\xb5/\xfd....", r"a.jsonl.zst: the packed file is damaged"),
    ("book.xlsx", b"PK\x03\x04....", r"book.xlsx: packed as zip \(or an Excel"),
    ("cut.parquet", b"PAR1....", r"cut.parquet: not a readable Parquet file"),
    ("cut.arrow", b"ARROW1..", r"cut.arrow: not a readable Arrow file"),
    ("wide.csv", b"a,b\n1,2\n1,2,3\n", r"wide.csv:3: 3 cells, but the first line names 2"),
    ("quote.csv", b'a,b\n1,"2\n', r"quote.csv:2: broken CSV"),
    ("twice.csv", b"a,a\n1,2\n", r"twice.csv:1: the column 'a' is there twice"),
    ("late.csv", b"\n\na,a\n1,2\n", r"late.csv:3: the column 'a' is there twice"),
    ("header_quote.csv", b'\n"a"b,c\n1,2\n', r"header_quote.csv:2: broken CSV"),
    ("excel.csv", b"sep=,\nquestion,answer\n1,2\n", r"excel.csv:1: the line 'sep=,' is for spreadsheets.*Delete it"),
    ("excel.tsv", b"sep=;\nquestion;answer\n", r"excel.tsv:1: the line 'sep=;' is for spreadsheets"),
    ("semicolons.csv", b"question;answer\n1;2\n", r"semicolons.csv:1: one column only.*';'.*with ','"),
    ("commas.tsv", b"question,answer\n1,2\n", r"commas.tsv:1: one column only.*Name the file .csv"),
    ("header.csv", b"a,b\n", r"header.csv: holds no rows"),
    ("field.jsonl", b'{"a": 1}\n{"b": {"a": 1, "a": 2}}', r"field.jsonl:2: an object has the field 'a' twice.*Mend"),
    ("kind.jsonl", b'{"label": 1, "label": true}', r"kind.jsonl:1: an object has the field 'label' twice"),
    ("field.json", b'[{"a": 1}, {"b": [{"a": 1, "a": null}]}]', r"field.json\[1\]: an object has the field 'a' twice"),
    ("alone.json", b'{\n"a": 1, "a": 2}', r"alone.json: an object has the field 'a' twice"),
    ("mac.jsonl", b'{"a": 1}\r{"a": 2}\r', r"mac.jsonl:1: .*lines end with .r alone, as on old Macs"),
    ("mark.jsonl", '{"a": 1}\n\ufeff{"a": 2}\n'.encode(), r"mark.jsonl:2: .*A byte-order mark stands in front"),
    ("python.jsonl", b"{'a': 'b'}\n", r"python.jsonl:1: .*single quotes, as Python prints them.*json.dumps"),
    ("python.json", b"[{'a': 'b'}]\n", r"python.json:1: .*single quotes, as Python prints them"),
    ("page.jsonl", b"<!DOCTYPE html>\n<html>", r"page.jsonl:1: .*It is a web page.*fetch the file again"),
    ("lfs.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", r"lfs.jsonl: a Git LFS pointer.*pull"),
    ("lfs.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", r"lfs.parquet: a Git LFS pointer"),
    ("columns.json", b'{\n"question": ["a", "b"], "answer": ["c", "d"]}', r"one list each, as columns.*lines=True"),
    ("numbered.json", b'{\n"0": {"a": 1}, "1": {"a": 2}}', r"Each of its fields holds an object. If they are rows"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_faulty_file_is_an_input_error_that_says_where_and_why(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=f"(?s){message}"):
        read_rows(path)
    assert path.read_bytes() == content


def test_a_missing_file_names_its_nearest_neighbour(tmp_path):
    write(tmp_path / "train.jsonl", LINES)
    with pytest.raises(InputError, match=r"trian.jsonl: no such file.*Did you mean 'train.jsonl'") as caught:
        read_rows(tmp_path / "trian.jsonl")
    assert "network" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_rows(tmp_path / "no" / "train.jsonl")


def test_a_folder_with_nothing_readable_lists_what_could_be_read(tmp_path):
    write(tmp_path / "README.md", "not data")
    with pytest.raises(InputError, match=r"holds no file that can be read.*\.parquet"):
        read_rows(tmp_path)


def test_a_damaged_saved_dataset_is_an_input_error(tmp_path):
    write(tmp_path / "state.json", "{")
    write(tmp_path / "dataset_info.json", "{}")
    with pytest.raises(InputError, match="not a readable data set"):
        read_rows(tmp_path)


def test_a_file_without_permission_is_an_input_error(tmp_path, monkeypatch):
    path = write(tmp_path / "a.jsonl", LINES)

    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(InputError, match="no permission"):
        read_rows(path)


@pytest.mark.parametrize("option", ["split", "subset", "revision"])
def test_options_of_hub_sets_are_refused_for_a_file(tmp_path, option):
    path = write(tmp_path / "a.jsonl", LINES)
    with pytest.raises(InputError, match=f"{option}='x'"):
        read_rows(path, **{option: "x"})


def test_rows_where_their_file_is_meant_are_refused():
    with pytest.raises(InputError, match=r"^.{60}…: no file can have this name: it is longer than"):
        read_rows(str(RAWS * 9))
    with pytest.raises(InputError, match=r"^a\0/b: no file can have this name: it holds a zero byte"):
        read_rows("a\0/b")


@pytest.mark.parametrize("name", ["locked", "locked/a.jsonl", "locked/none.jsonl"])
def test_what_lies_where_nobody_may_enter_is_an_input_error(tmp_path, monkeypatch, name):
    (tmp_path / "locked").mkdir()
    write(tmp_path / "locked" / "a.jsonl", LINES)
    barred, look = str(tmp_path / "locked") + os.sep, os.stat

    def stat(path, **options):
        if str(path).startswith(barred):  # as root none is barred
            raise PermissionError(13, "Permission denied", path)
        return look(path, **options)

    monkeypatch.setattr("os.stat", stat)
    with pytest.raises(InputError, match=rf"{name}: no permission to look there.*may not be entered"):
        read_rows(tmp_path / name)
    with pytest.raises(InputError, match=r"locked: the folder cannot be read: Permission denied"):
        read_rows(tmp_path)


def test_a_path_that_leads_round_in_a_ring_is_an_input_error(tmp_path):
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "a.jsonl")
    with pytest.raises(InputError, match=r"a.jsonl: cannot be read: Too many levels"):
        read_rows(tmp_path / "a.jsonl")
