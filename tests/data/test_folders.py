"""Folders as they lie about on disks: links, packed and nameless shards, splits, caches; and what is said."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spice_select.data.sources import Corpus, kinds, read_source, walk
from spice_select.errors import InputError


def row(number):
    return {"question": f"What is {number}?", "answer": str(number)}


def lines(*numbers):
    return "".join(json.dumps(row(number)) + "\n" for number in numbers)


def zstd(text, codec=pa.Codec("zstd")):  # noqa: B008
    return codec.compress(text.encode(), asbytes=True)


def lay(folder: Path, files) -> Path:
    """Write files (text, bytes, or a path that a link leads to) below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def numbers(corpus: Corpus):
    return [int(row.raw["answer"]) for row in corpus.rows]


def places(corpus: Corpus):
    return [row.where for row in corpus.rows]


def note(corpus: Corpus, word: str) -> str:
    """The one note that holds the word."""
    (found,) = [note for note in corpus.notes if word in note]
    return found


# ---- places, links, what is passed over


def test_a_place_is_the_way_from_the_folder_so_that_shards_of_one_name_differ(tmp_path):
    folder = lay(tmp_path / "one", {"a/0000.jsonl": lines(1, 2), "b/0000.csv": "question,answer\nWhat is 3?,3\n"})
    corpus = read_source(folder)
    assert places(corpus) == ["a/0000.jsonl:1", "a/0000.jsonl:2", "b/0000.csv:2"]
    assert [row.number for row in corpus.rows] == [0, 1, 2]
    assert corpus.notes == ()
    shutil.move(folder, tmp_path / "elsewhere")
    moved = read_source(tmp_path / "elsewhere")
    assert list(moved.rows) == list(corpus.rows)  # nothing of it depends on where the folder lies


def test_linked_folders_and_files_are_read(tmp_path):
    other = lay(tmp_path / "other", {"part-1.jsonl": lines(1), "deep/part-2.jsonl": lines(2)})
    folder = lay(tmp_path / "corpus", {"a.jsonl": lines(0), "b": other, "c.jsonl": other / "deep" / "part-2.jsonl"})
    corpus = read_source(folder)
    assert sorted(numbers(corpus)) == [0, 1, 2]
    assert "b/deep/part-2.jsonl" in note(corpus, "read once") or "c.jsonl" in note(corpus, "read once")
    assert numbers(read_source(lay(tmp_path / "l", {"link.jsonl": other / "part-1.jsonl"}) / "link.jsonl")) == [1]


def test_a_link_back_into_its_own_folder_ends_there_and_is_named(tmp_path):
    folder = lay(tmp_path / "corpus", {"a/x.jsonl": lines(0), "b/y.jsonl": lines(1)})
    lay(folder, {"a/up": folder, "a/side": folder / "b", "b/side": folder / "a"})
    corpus = read_source(folder)
    assert places(corpus) == ["a/x.jsonl:1", "b/y.jsonl:1"]
    assert "1 link: a/up" in note(corpus, "Not followed")
    assert "a/side" in note(corpus, "read once")


def test_a_link_to_nothing_is_refused_where_rows_are_missing_by_it_else_named(tmp_path):
    folder = lay(tmp_path, {"a.jsonl": lines(0), "notes": tmp_path / "gone"})
    assert "notes (a link to nothing)" in note(read_source(folder), "Passed over")
    lay(folder, {"b.jsonl": tmp_path / "gone.jsonl"})
    with pytest.raises(InputError, match=r"b\.jsonl: a link to .*gone\.jsonl.*Fetch"):
        read_source(folder)


def test_what_is_passed_over_is_counted_and_named(tmp_path):
    files = {"part-0.jsonl": lines(0), "b.png": b"\x89PNG\0", "c.jsonl.bak": lines(1), "d.tar.gz": gzip.compress(b"x")}
    side = {"README.md": "# x", "_SUCCESS": "", ".git/config": "{}", "_temporary/p.jsonl": lines(2), "x.crc": "1"}
    said = note(read_source(lay(tmp_path, files | side)), "Passed over")
    assert "3 files: b.png, c.jsonl.bak, d.tar.gz" in said
    assert "5 hidden or side files: .git/, README.md, _SUCCESS, _temporary/, x.crc" in said


def test_pipes_and_sockets_do_not_hang(tmp_path):
    folder = lay(tmp_path, {"a.jsonl": lines(0)})
    os.mkfifo(folder / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s.jsonl"))
        assert "pipe.jsonl, s.jsonl" in note(read_source(folder), "Passed over")
    with pytest.raises(InputError, match=r"pipe\.jsonl: a pipe, socket or device.*Write the rows to a file"):
        read_source(folder / "pipe.jsonl")


def test_a_folder_that_cannot_be_entered_is_an_input_error(tmp_path, monkeypatch):
    lay(tmp_path, {"a/x.jsonl": lines(0)})

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(walk.os, "listdir", refuse)
    with pytest.raises(InputError, match="the folder cannot be read: Permission denied"):
        read_source(tmp_path)


# ---- packed shards, shards without a name, empty shards


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("part-1.jsonl.zst", zstd(lines(1, 2))),
        ("part-1.jsonl.zstd", zstd(lines(1)) + zstd(lines(2))),
        ("part-1.json", zstd(json.dumps([row(1), row(2)]))),
        ("part-1.jsonl.zst", b"\x50*M\x18\x04\0\0\0abcd" + zstd(lines(1)) + b"\x51*M\x18\0\0\0\0" + zstd(lines(2))),
        ("part-1.jsonl.gz", gzip.compress(lines(1).encode(), mtime=0) + gzip.compress(lines(2).encode(), mtime=0)),
        ("part-00001", lines(1, 2)),
        ("part-00001", "\ufeff\r\n" + lines(1, 2).replace("\n", "\r\n")),
        ("part-00001.zst", zstd(lines(1, 2))),
        ("part-00001-7f3a.c000", lines(1, 2)),
        ("part-00001.txt.gz", gzip.compress(lines(1, 2).encode(), mtime=0)),
        ("rows_v1.5", json.dumps([row(1), row(2)], indent=1)),
    ],
)
def test_shards_are_read_however_they_are_packed_and_called(tmp_path, name, content):
    corpus = read_source(lay(tmp_path, {"deep/part-0.jsonl": lines(0), f"deep/{name}": content}))
    assert sorted(numbers(corpus)) == [0, 1, 2]
    assert corpus.notes == ()


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress, pa.Codec("zstd").compress])
def test_a_nameless_shard_of_frames_that_are_shorter_than_a_row_is_read(tmp_path, pack):
    text = lines(1, 2).encode()
    frames = b"".join(bytes(pack(text[start : start + 7])) for start in range(0, len(text), 7))
    corpus = read_source(lay(tmp_path, {"part-0.jsonl": lines(0), "part-1": frames}))
    assert (numbers(corpus), corpus.notes) == ([0, 1, 2], ())


def test_tables_without_a_name_are_read(tmp_path):
    pq.write_table(pa.Table.from_pylist([row(1)]), tmp_path / "part-1")
    assert numbers(read_source(lay(tmp_path, {"part-0": lines(0)}))) == [0, 1]


def test_only_the_head_of_a_nameless_file_is_looked_at(tmp_path, monkeypatch):
    long = json.dumps({"question": "x" * 2 * kinds.HEAD, "answer": "1"})
    looked = []
    whole = kinds.read_head
    monkeypatch.setattr(kinds, "read_head", lambda path, size: looked.append(size) or whole(path, size))
    assert numbers(read_source(lay(tmp_path, {"long": long, "prose": "Once upon a time", "x.jsonl": lines(2)}))) == [
        1,
        2,
    ]
    assert looked == [kinds.HEAD, kinds.HEAD]


@pytest.mark.parametrize(
    "name",
    [
        *("train.jsonl~", "#train.jsonl#", "train.jsonl.~1~", "train.jsonl (copy)", "train.jsonl.txt"),
        *("part-0.jsonl.bak", "part-0~", "other.jsonl~", "part-9.tmp"),
    ],
)
def test_older_copies_are_no_rows(tmp_path, name):
    corpus = read_source(lay(tmp_path, {"train.jsonl": lines(0), name: lines(0, 1)}))
    assert numbers(corpus) == [0]
    assert corpus.notes == (f"Passed over, as no rows: 1 file: {name}.",)


def test_numbers_behind_an_extension_are_shards_where_no_file_is_called_so_without(tmp_path):
    corpus = read_source(lay(tmp_path, {"rows.jsonl.00": lines(0), "rows.jsonl.01": lines(1)}))
    assert numbers(corpus) == [0, 1]


def test_a_log_and_those_before_it_are_all_read(tmp_path):
    corpus = read_source(lay(tmp_path, {"d.jsonl": lines(0), "d.jsonl.1": lines(1), "d.jsonl.2": lines(2)}))
    assert sorted(numbers(corpus)) == [0, 1, 2]


def test_a_number_of_parts_that_is_a_date_is_none(tmp_path):
    corpus = read_source(lay(tmp_path, {"log-1-of-20240101.jsonl": lines(0)}))
    assert (numbers(corpus), corpus.notes) == ([0], ())


def test_an_export_of_something_else_is_no_export(tmp_path):
    for files in ([{"name": "x"}], None, 3):
        (tmp_path / "export.json").write_text(json.dumps({"destination": "trl", "files": files}))
        assert len(read_source(lay(tmp_path, {"a.jsonl": lines(0)})).rows) == 2


@pytest.mark.parametrize("name", ["b.jsonlines", "b.pq", "b.feather", "b.arrows"])
def test_other_extensions_of_known_kinds_are_read(tmp_path, name):
    folder, table = lay(tmp_path, {"a.jsonl": lines(0)}), pa.Table.from_pylist([row(1)])
    if name == "b.jsonlines":
        lay(folder, {name: lines(1)})
    elif name == "b.pq":
        pq.write_table(table, folder / name)
    else:
        opened = pa.ipc.new_stream if name == "b.arrows" else pa.ipc.new_file
        with pa.OSFile(str(folder / name), "wb") as sink, opened(sink, table.schema) as writer:
            writer.write_table(table)
    assert numbers(read_source(folder)) == [0, 1]
    assert numbers(read_source(folder / name)) == [1]


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["train-00000-of-00003.jsonl", "train-00002-of-00003.jsonl"], "1 file: d/train-00001-of-00003.jsonl"),
        (["train-00000-of-00002-0a1b.jsonl"], "1 file: d/train-00001-of-00002.jsonl"),
        (["x_2_of_3.jsonl", "x_3_of_3.jsonl"], "1 file: d/x_1_of_3.jsonl"),
        (["rows.jsonl-00001-of-00002"], "1 file: d/rows.jsonl-00000-of-00002"),
        (["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"], ""),
        (["train-1-of-2.jsonl", "train-2-of-2.jsonl"], ""),
        (["part-0-of-2-a.jsonl", "part-1-of-2-b.jsonl"], ""),
    ],
)
def test_a_gap_in_numbered_files_is_told(tmp_path, names, missing):
    corpus = read_source(lay(tmp_path, {f"d/{name}": lines(number) for number, name in enumerate(names)}))
    assert len(corpus.rows) == len(names)
    if missing:
        assert missing in note(corpus, "Missing among numbered files")
    else:
        assert corpus.notes == ()


@pytest.mark.parametrize("name", ["book.ipynb", "prose.txt", "script", "braces"])
def test_other_text_is_not_taken_for_rows(tmp_path, name):
    content = {"book.ipynb": '{\n "cells": []\n}', "script": "#!/bin/sh\n{ echo; }\n", "braces": "{\n echo\n}\n"}
    corpus = read_source(lay(tmp_path, {name: content.get(name, "Once"), "x.jsonl": lines(0)}))
    assert numbers(corpus) == [0]
    assert name in note(corpus, "Passed over")


@pytest.mark.parametrize(
    "name", ["b.jsonl.lz4", "b.csv.zip", "b.parquet.7z", "b.jsonl.tar.gz", "b.jsonl.tgz", "b.jsonl.txz"]
)
def test_rows_packed_in_another_way_are_refused_not_passed_over(tmp_path, name):
    with pytest.raises(InputError, match=rf"{name}: packed as .*Unpack it"):
        read_source(lay(tmp_path, {"a.jsonl": lines(0), name: "?"}))


@pytest.mark.parametrize("name", ["a.jsonl.tar.gz", "a.jsonl.tgz", "a.jsonl.zip", "a.jsonl.TAR.GZ"])
def test_an_archive_of_the_file_beside_it_is_passed_over(tmp_path, name):
    corpus = read_source(lay(tmp_path, {"a.jsonl": lines(0), name: "?"}))
    assert numbers(corpus) == [0]
    assert name in note(corpus, "Passed over")


def test_an_empty_shard_is_named_and_the_others_are_read(tmp_path):
    pq.write_table(pa.Table.from_pylist([], pa.schema([("question", pa.string())])), tmp_path / "c.parquet")
    corpus = read_source(lay(tmp_path, {"a.jsonl": "", "b.jsonl": lines(0)}))
    assert numbers(corpus) == [0]
    assert "2 files: a.jsonl, c.parquet" in note(corpus, "Without a row")
    with pytest.raises(InputError, match="holds no rows"):
        read_source(lay(tmp_path / "none", {"a.jsonl": "", "b.jsonl": "\n"}))


def test_a_damaged_shard_stops_everything(tmp_path):
    with pytest.raises(InputError, match=r"b\.jsonl\.zst: the packed file is damaged or cut short.*Truncated"):
        read_source(lay(tmp_path, {"a.jsonl": lines(0), "b.jsonl.zst": zstd(lines(1))[:-4]}))


def test_values_in_the_names_of_folders_are_said_to_be_no_fields(tmp_path):
    corpus = read_source(lay(tmp_path, {"lang=de/0.jsonl": lines(0), "lang=en/0.jsonl": lines(1)}))
    assert numbers(corpus) == [0, 1]
    assert "2 folders: lang=de, lang=en" in note(corpus, "not among the fields")
    assert numbers(
        read_source(lay(tmp_path / "s", {"split=train/0.jsonl": lines(0), "split=test/0.jsonl": lines(1)}))
    ) == [0]


# ---- rows that are there twice


def test_a_file_and_its_packed_copy_are_read_once(tmp_path):
    files = {"a.jsonl": lines(0), "a.jsonl.gz": gzip.compress(lines(0).encode()), "a.jsonl.zst": zstd(lines(0))}
    corpus = read_source(lay(tmp_path, files))
    assert numbers(corpus) == [0]
    assert "2 files: a.jsonl.gz (as a.jsonl), a.jsonl.zst (as a.jsonl)" in note(corpus, "read once")


def test_the_same_name_packed_with_other_rows_is_another_file(tmp_path):
    corpus = read_source(lay(tmp_path, {"a.jsonl": lines(0), "a.jsonl.gz": gzip.compress(lines(1).encode())}))
    assert numbers(corpus) == [0, 1]
    assert corpus.notes == ()


def test_rows_in_lines_and_in_a_table_made_from_them_are_counted(tmp_path):
    full = [{**row(n), "meta": {"id": n, "url": None if n else "x"}} for n in range(3)]
    bare = [{**row(n), "meta": {"id": n, **({} if n else {"url": "x"})}} for n in range(3)]
    lay(tmp_path, {"rows.jsonl": "".join(json.dumps(r) + "\n" for r in [*bare, row(7)])})
    pq.write_table(pa.Table.from_pylist(full), tmp_path / "copy.parquet")
    corpus = read_source(tmp_path)
    assert len(corpus.rows) == 7
    assert note(corpus, "more than one file").startswith("3 rows stand")
    assert "3 of rows.jsonl are in copy.parquet too" in note(corpus, "more than one file")


# ---- splits


SPLIT_LAYOUTS = [
    (("data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl"), ("data/test-00000-of-00001.jsonl",)),
    (("train/0000.jsonl", "train/0001.jsonl"), ("test/0000.jsonl", "validation/0000.jsonl")),
    (("main/train/0000.jsonl", "main/train/b.jsonl"), ("main/test/0000.jsonl",)),
    (("train.jsonl", "training_more.jsonl")[:1], ("dev.jsonl", "test.jsonl", "extra.jsonl")),
    (("gsm8k_train.jsonl",), ("gsm8k_test.jsonl", "gsm8k-val.jsonl")),
    (("TrainSet.jsonl",), ("TestSet.jsonl", "devset-2.jsonl")),
    (("train.jsonl",), ("development.jsonl", "validate.jsonl")),
    (("train_set.jsonl",), ("test_set.jsonl", "valset/a.jsonl")),
    (("sft.train.en.jsonl", "sft.train.de.jsonl"), ("sft.test.en.jsonl",)),
    (("data/train-00000-of-00001-6ef3991c06080e14.jsonl",), ("data/eval-00000-of-00001-6ef3991c06080e14.jsonl",)),
    (("default/partial-train/0000.jsonl",), ("default/partial-test/0000.jsonl",)),
    (("x-train.jsonl", "x-train-2.jsonl")[:1], ("x-held-out.jsonl",)),
    (("train_sft.jsonl",), ("test_sft.jsonl", "test_gen.jsonl")),
    (("train1.jsonl", "train2.jsonl"), ("test1.jsonl", "dev-2.jsonl")),
    (("train2014/a.jsonl", "train2017/a.jsonl"), ("val2017/a.jsonl",)),
]


@pytest.mark.parametrize(("train", "others"), SPLIT_LAYOUTS, ids=[layout[0][0] for layout in SPLIT_LAYOUTS])
def test_where_names_tell_splits_train_alone_is_read_and_the_rest_is_named(tmp_path, train, others):
    names = [*train, *others]
    folder = lay(tmp_path, {name: lines(number) for number, name in enumerate(names)})
    corpus = read_source(folder)
    assert sorted(numbers(corpus)) == list(range(len(train)))
    assert all(name in note(corpus, "left out") for name in others)
    asked = read_source(folder, split="train")
    assert list(asked.rows) == list(corpus.rows)
    everything = read_source(folder, split="all")
    assert sorted(numbers(everything)) == list(range(len(names)))
    assert not [said for said in everything.notes if "left out" in said]


def test_a_split_is_found_by_its_synonyms_and_its_own_name(tmp_path):
    folder = lay(tmp_path, {"train.jsonl": lines(0), "dev.jsonl": lines(1), "training/x.jsonl": lines(2)})
    assert numbers(read_source(folder, split="validation")) == [1]
    assert numbers(read_source(folder, split="dev")) == [1]
    assert numbers(read_source(folder, split="training")) == [2]
    assert numbers(read_source(folder)) == [0]
    with pytest.raises(InputError, match=r"split='tset'.*There are the splits dev, train, training"):
        read_source(folder, split="tset")


def test_several_splits_for_training_are_for_the_person_to_choose(tmp_path):
    names = [f"data/{split}-00000-of-00001.jsonl" for split in ("test_sft", "train_gen", "train_sft")]
    folder = lay(tmp_path, {name: lines(number) for number, name in enumerate(names)})
    with pytest.raises(
        InputError,
        match=r"test_sft \(1 file\), train_gen .*--split train_gen.*train_gen and train_sft with --split train, .*all",
    ):
        read_source(folder)
    assert numbers(read_source(folder, split="train_sft")) == [2]
    assert numbers(read_source(folder, split="train")) == [1, 2]


def test_held_out_files_beside_unnamed_ones_are_not_read_unasked(tmp_path):
    folder = lay(tmp_path, {"alpaca.jsonl": lines(0), "alpaca_test.jsonl": lines(1)})
    with pytest.raises(InputError, match=r"splits test \(1 file\); 1 file: alpaca\.jsonl of none.*--split all"):
        read_source(folder)
    assert numbers(read_source(folder, split="alpaca")) == [0]


@pytest.mark.parametrize("name", ["train.jsonl", "sharegpt_train.jsonl", "test.jsonl", "code_test_writing.jsonl"])
def test_a_name_that_tells_nothing_apart_leaves_nothing_out(tmp_path, name):
    beside = {} if name == "test.jsonl" else {"alpaca.jsonl": lines(1)}
    corpus = read_source(lay(tmp_path, {name: lines(0), **beside}))
    assert len(corpus.rows) == 1 + len(beside)
    assert corpus.notes == (() if beside else ("The split test is read, the only one there is.",))


def test_splits_to_train_on_with_nothing_to_judge_by_are_read_together(tmp_path):
    corpus = read_source(lay(tmp_path, {"train_alpaca.jsonl": lines(0), "train_dolly.jsonl": lines(1)}))
    assert numbers(corpus) == [0, 1]
    assert corpus.notes == (
        "The splits train_alpaca and train_dolly are read together. One of them is chosen with --split.",
    )


def test_the_default_split_of_rows_to_judge_by_is_test(tmp_path):
    folder = lay(tmp_path, {"train.jsonl": lines(0), "test.jsonl": lines(1)})
    assert numbers(read_source(folder, default_split="test")) == [1]


def test_configurations_beside_each_other_are_named_and_one_can_be_chosen(tmp_path):
    names = [f"{home}/{split}-00000-of-00001.jsonl" for home in ("main", "socratic") for split in ("test", "train")]
    folder = lay(tmp_path, {name: lines(number) for number, name in enumerate(names)})
    corpus = read_source(folder)
    assert numbers(corpus) == [1, 3]
    assert "2 folders: main, socratic" in note(corpus, "--subset")
    corpus = read_source(folder, subset="main")
    assert numbers(corpus) == [1]
    assert "2 files: socratic/test" in note(corpus, "Only the folder main")
    with pytest.raises(InputError, match=r"subset='min'.*Folders are: main, socratic"):
        read_source(folder, subset="min")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows/part-0.jsonl"])
def test_rows_may_name_their_split_in_a_column(tmp_path, name):
    values = ["train", "test", "dev", "train"]
    rows = [{**row(number), "split": value} for number, value in enumerate(values)]
    lay(tmp_path, {name: "".join(json.dumps(raw) + "\n" for raw in rows)})
    source = tmp_path / name.split("/")[0]
    corpus = read_source(source)
    assert numbers(corpus) == [0, 3]
    assert [row.number for row in corpus.rows] == [0, 1]
    assert places(corpus)[1].endswith(".jsonl:4")
    assert "test (1 row); dev (1 row)" in note(corpus, "left out")
    assert numbers(read_source(source, split="validation")) == [2]
    assert numbers(read_source(source, split="all")) == [0, 1, 2, 3]
    assert numbers(read_source(source, default_split="test")) == [1]


@pytest.mark.parametrize("values", [("train", "train"), ("en", "de"), ("train", None), ("train", 7)])
def test_a_column_called_split_that_tells_no_splits_leaves_nothing_out(tmp_path, values):
    rows = [{**row(number), "split": value} for number, value in enumerate(values)]
    path = lay(tmp_path, {"a.jsonl": "".join(json.dumps(raw) + "\n" for raw in rows)}) / "a.jsonl"
    corpus = read_source(path)
    assert numbers(corpus) == [0, 1]
    assert corpus.notes == ()


@pytest.mark.parametrize("values", [("train", "test", "challenge"), ("dev", "dev", "other")])
def test_a_column_called_split_that_names_splits_and_other_things_is_noted(tmp_path, values):
    rows = [{**row(number), "split": value} for number, value in enumerate(values)]
    path = lay(tmp_path, {"a.jsonl": "".join(json.dumps(raw) + "\n" for raw in rows)}) / "a.jsonl"
    corpus = read_source(path)
    assert numbers(corpus) == [0, 1, 2]
    assert f"names 1 split: {values[1]}; but it holds 1 other value: {values[2]}, too" in note(corpus, "every row")
    assert numbers(read_source(path, split=values[1])) == [n for n, value in enumerate(values) if value == values[1]]


def test_spaces_around_the_name_of_a_split_say_nothing(tmp_path):
    path = lay(tmp_path, {"a.csv": "number,split\n0,train \n1, test\n"}) / "a.csv"
    assert [row.raw["number"] for row in read_source(path).rows] == ["0"]


@pytest.mark.parametrize("rest", [{"split": None}, {"split": ""}, {"split": float("nan")}, {}])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_rows_that_name_no_split_do_not_make_one_corpus_of_the_others(tmp_path, rest, at):
    raws = [{**row(0), "split": "train"}, {**row(1), "split": "test"}]
    raws.insert(at, {**row(2), **rest})
    lay(tmp_path, {f"{number}.jsonl": json.dumps(raw) for number, raw in enumerate(raws)})
    corpus = read_source(tmp_path)
    assert numbers(corpus) == [0]
    assert "test (1 row); rows of no split (1 row)" in note(corpus, "left out")
    assert sorted(numbers(read_source(tmp_path, split="all"))) == [0, 1, 2]


def test_held_out_rows_beside_those_that_name_no_split_are_not_read_unasked(tmp_path):
    raws = [row(0), {**row(1), "split": "test"}]
    path = lay(tmp_path, {"a.jsonl": "\n".join(map(json.dumps, raws))}) / "a.jsonl"
    with pytest.raises(InputError, match=r"of the splits test \(1 row\), and none of them is train \(1 row of none\)"):
        read_source(path)
    assert numbers(read_source(path, split="test")) == [1]


def test_the_split_of_a_single_file_is_the_one_in_its_name(tmp_path):
    path = lay(tmp_path, {"gsm8k_test.jsonl": lines(0)}) / "gsm8k_test.jsonl"
    assert numbers(read_source(path, split="test")) == numbers(read_source(path, split="all")) == [0]
    with pytest.raises(InputError, match="split='train'"):
        read_source(path, split="train")


def test_what_a_saved_dictionary_leaves_out_is_named(tmp_path):
    datasets = pytest.importorskip("datasets")
    saved = {"train": datasets.Dataset.from_list([row(0)]), "test": datasets.Dataset.from_list([row(1), row(2)])}
    datasets.DatasetDict(saved).save_to_disk(str(tmp_path / "up" / "two"))
    corpus = read_source(tmp_path / "up" / "two")
    assert numbers(corpus) == [0]
    assert "test (2 rows)" in note(corpus, "left out")
    assert numbers(read_source(tmp_path / "up" / "two", split="all")) == [0, 1, 2]
    assert numbers(read_source(tmp_path / "up" / "two", default_split="test")) == [1, 2]
    datasets.DatasetDict({"test": saved["test"]}).save_to_disk(str(tmp_path / "one"))
    assert read_source(tmp_path / "one").notes == ("The split test is read, the only one there is.",)
    assert read_source(tmp_path / "one", default_split="test").notes == ()
    assert numbers(read_source(tmp_path / "up")) == [0]  # found by the walk, too
    assert "state.json" in note(read_source(tmp_path / "up"), "Passed over")


def test_a_split_of_a_saved_dictionary_is_found_by_its_synonyms(tmp_path):
    datasets = pytest.importorskip("datasets")
    parts = {
        name: datasets.Dataset.from_list([row(n)], split=name) for n, name in enumerate(("training", "dev", "test"))
    }
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path))
    assert numbers(read_source(tmp_path)) == [0]
    assert numbers(read_source(tmp_path, split="validation")) == [1]
    assert numbers(read_source(tmp_path, split="eval")) == [2]
    assert numbers(read_source(tmp_path / "test", split="heldout")) == [2]
    datasets.DatasetDict(parts | {"val": parts["dev"]}).save_to_disk(str(tmp_path / "two"))
    with pytest.raises(InputError, match=r"split='validation'.*training, dev, test, val"):
        read_source(tmp_path / "two", split="validation")


def test_images_of_a_saved_data_set_stay_the_bytes_they_are(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"answer": datasets.Value("string"), "one": datasets.Image(), "many": datasets.List(datasets.Image())}
    )
    held = {"bytes": b"no image", "path": None}
    table = {"answer": ["1"], "one": [held], "many": [[held, held]]}
    datasets.Dataset.from_dict(table, features=features).save_to_disk(str(tmp_path / "s"))
    (read,) = read_source(tmp_path / "s").rows
    assert read.raw == {"answer": "1", "one": held, "many": [held, held]}


# ---- caches


def cached(folder: Path, revisions, main=None) -> Path:
    """A data set in the hub's cache: blobs, and a folder of links for each revision."""
    for revision, content in revisions.items():
        blob = lay(folder, {f"blobs/{content[0]}": lines(*content)}) / "blobs" / str(content[0])
        lay(folder, {f"snapshots/{revision}/data/train.jsonl": blob, f"snapshots/{revision}/README.md": ""})
    return lay(folder, {"refs/main": main} if main else {})


def test_one_snapshot_of_a_cache_is_read(tmp_path):
    folder = cached(tmp_path / "datasets--me--toy", {"aaa1": (1, 2), "bbb2": (3,)}, main="bbb2")
    corpus = read_source(folder)
    assert numbers(corpus) == [3]
    assert places(corpus) == ["data/train.jsonl:1"]
    assert "bbb2 is read; left out: aaa1" in note(corpus, "snapshot")
    assert numbers(read_source(folder, revision="aaa")) == [1, 2]
    assert numbers(read_source(folder / "snapshots")) == [3]
    assert numbers(read_source(folder / "snapshots" / "aaa1")) == [1, 2]
    assert numbers(read_source(tmp_path)) == [3]
    with pytest.raises(InputError, match=r"aaa1, bbb2.*revision='c'"):
        read_source(folder, revision="c")


def test_several_snapshots_are_refused_unless_they_are_the_same(tmp_path):
    with pytest.raises(InputError, match=r"2 snapshots \(aaa1, bbb2\).*--revision"):
        read_source(cached(tmp_path / "datasets--me--toy", {"aaa1": (1, 2), "bbb2": (3,)}))
    corpus = read_source(cached(tmp_path / "datasets--me--same", {"aaa1": (1, 2), "bbb2": (1, 2)}))
    assert numbers(corpus) == [1, 2]
    assert "left out: bbb2" in note(corpus, "snapshot")
    corpus = read_source(cached(tmp_path / "datasets--me--stale", {"aaa1": (1,)}, main="ccc3"))
    assert note(corpus, "snapshot") == "The snapshot aaa1 is read; refs/main says ccc3, which is not there."


def test_the_cache_of_a_model_or_of_many_sets_is_refused(tmp_path):
    lay(tmp_path, {"models--a--b/snapshots/r/config.json": "{}", "models--a--b/refs/main": "r"})
    with pytest.raises(InputError, match="the cache of a model, not of a data set"):
        read_source(tmp_path / "models--a--b")
    cached(tmp_path / "datasets--me--toy", {"r": (1,)})
    with pytest.raises(InputError, match=r"2 repositories of the hub.*Give one of them: datasets--me--toy"):
        read_source(tmp_path)


def test_a_revision_of_a_plain_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="revision='x'"):
        read_source(lay(tmp_path, {"a.jsonl": lines(0)}), revision="x")


def arrow(path: Path, *numbers: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([row(number) for number in numbers])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def test_prepared_tables_are_read_by_split_without_what_map_left_beside_them(tmp_path):
    home = tmp_path / "me___toy" / "default" / "0.0.0" / "abc"
    arrow(home / "toy-train-00000-of-00002.arrow", 0)
    arrow(home / "toy-train-00001-of-00002.arrow", 1)
    arrow(home / "toy-test.arrow", 2)
    arrow(home / "cache-1f2e3d.arrow", 0, 1)
    lay(home, {"dataset_info.json": '{"splits": {}}', "../abc_builder.lock": "", "../abc.incomplete_info.lock": ""})
    corpus = read_source(tmp_path)
    assert numbers(corpus) == [0, 1]
    assert "toy-test.arrow" in note(corpus, "left out")
    assert "4 hidden or side files" in note(corpus, "Passed over")
    arrow(home.parent / "def" / "toy-train.arrow", 0, 1)
    lay(home.parent / "def", {"dataset_info.json": "{}"})
    with pytest.raises(InputError, match=r"2 prepared copies of data sets.*abc.*def.*Give one"):
        read_source(tmp_path)


def test_the_folder_of_a_run_is_no_corpus_and_says_where_its_rows_are(tmp_path):
    lay(tmp_path, {"identity.json": "{}", "config.yaml": "corpus: x", "selected.jsonl": lines(0)})
    with pytest.raises(InputError, match=r"folder of a run, not a corpus.*selected\.jsonl"):
        read_source(tmp_path)


def test_the_folder_of_an_export_is_no_corpus_and_says_where_its_rows_are(tmp_path):
    mark = {"destination": "trl", "files": {"README.md": "0", "data/train-0a.parquet": "0", "left_out.jsonl": "0"}}
    lay(tmp_path, {"export.json": json.dumps(mark), "left_out.jsonl": lines(1)})
    with pytest.raises(InputError, match=r"folder of an export, not a corpus.*/data/train-0a\.parquet"):
        read_source(tmp_path)


@pytest.mark.parametrize("title", ["", "train", "dict"])
def test_rows_of_a_saved_set_of_one_split_may_name_theirs_in_a_column(tmp_path, title):
    datasets = pytest.importorskip("datasets")
    raws = [{**row(number), "split": value} for number, value in enumerate(["train", "test", "dev", "train"])]
    one = datasets.Dataset.from_list(raws, split=title if title == "train" else None)
    (datasets.DatasetDict({"train": one}) if title == "dict" else one).save_to_disk(str(tmp_path))
    corpus = read_source(tmp_path)
    assert numbers(corpus) == numbers(read_source(tmp_path, split="train")) == [0, 3]
    assert "test (1 row); dev (1 row)" in note(corpus, "left out")
    assert places(corpus)[1] == f"{tmp_path.name} row 3"
    assert numbers(read_source(tmp_path, split="validation")) == [2]
    assert numbers(read_source(tmp_path, split="all")) == [0, 1, 2, 3]
    assert numbers(read_source(tmp_path, default_split="test")) == [1]
    assert numbers(read_source(tmp_path, split="train", default_split="test")) == [0, 3]
    with pytest.raises(InputError, match="none of them is eval_a"):
        read_source(tmp_path, split="eval_a")


def test_where_the_names_of_splits_tell_them_apart_a_column_tells_nothing(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = [{**row(number), "split": value} for number, value in enumerate(["train", "test"])]
    parts = {name: datasets.Dataset.from_list(rows) for name in ("train", "test")}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path))
    assert numbers(read_source(tmp_path)) == [0, 1]


def test_a_lone_set_of_another_split_is_read_with_a_note(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list([row(0)], split="test").save_to_disk(str(tmp_path))
    assert read_source(tmp_path).notes == ("The split test is read, the only one there is.",)
    assert read_source(tmp_path, default_split="test").notes == ()
    with pytest.raises(InputError, match=r"split='train': not in .*, which has test"):
        read_source(tmp_path, split="train")
