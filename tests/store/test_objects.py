"""Parts at an address: whole or absent, and each fault of a store in a sentence."""

import itertools
import json
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tests.store.test_parts import block, same

from spice_select.errors import InputError
from spice_select.store import FeatureBlock, ObjectStore, PartStore, address, parts_at

_NUMBER = itertools.count()


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://store-{next(_NUMBER)}" if request.param == "memory" else str(tmp_path / "store")


@pytest.fixture
def bucket() -> str:
    return f"memory://bucket-{next(_NUMBER)}"


def at(place: str, folder: Path, origin: str = "a" * 64) -> ObjectStore:
    return ObjectStore(folder / "gradients", origin, address=place)


def names(store: ObjectStore) -> list[str]:
    return sorted(store.place.sizes())


def test_parts_come_back_as_from_a_folder(place: str, tmp_path: Path) -> None:
    whole = block([5, 0, 3, 9, 2])
    store, folder = at(place, tmp_path), PartStore(tmp_path / "local", "a" * 64)
    for one in (store, folder):
        assert one.write(0, whole.take(np.array([0, 1]))) == one.digest(0)
        one.write(1, whole.take(np.array([2, 3, 4])))
    assert [store.digest(part) for part in range(2)] == [folder.digest(part) for part in range(2)]
    again = at(place, tmp_path)
    assert same(again.read(2), folder.read(2))
    assert (again.count(), again.is_finished(1), again.is_finished(2)) == (2, True, False)
    assert again.faults(3) == {2: "it is missing"}
    assert again.size(0) == folder.size(0)


def test_one_put_a_part_and_its_name_tells_length_and_digest(bucket: str, tmp_path: Path, monkeypatch) -> None:
    put, real = list[str](), MemoryFileSystem.pipe_file

    def noted(system: MemoryFileSystem, path: str, value: bytes) -> None:
        put.append(path)
        real(system, path, value)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", noted)
    store = at(bucket, tmp_path)
    digest = store.write(3, block([0, 1]))
    assert len(put) == 1
    (name,) = names(store)
    assert name.split(".")[:2] == ["part-00003", str(store.size(3))]
    assert name.split(".")[3:] == [digest, "parquet"]


def test_going_on_lists_and_reads_nothing(bucket: str, tmp_path: Path, monkeypatch) -> None:
    at(bucket, tmp_path).write(0, block([0, 1]))
    monkeypatch.setattr(MemoryFileSystem, "cat_file", lambda *a, **k: pytest.fail("read"))
    store = at(bucket, tmp_path)
    assert store.is_finished(0)
    assert not store.is_finished(1)
    assert store.faults(1) == {}


def test_parts_of_another_origin_are_not_there(place: str, tmp_path: Path) -> None:
    at(place, tmp_path).write(0, block([0, 1]))
    assert not at(place, tmp_path, origin="b" * 64).is_finished(0)
    assert at(place, tmp_path / "another run").is_finished(0)


def _harm(store: ObjectStore, content: bytes) -> None:
    system, path = store.place._system
    system.pipe_file(f"{path}/{store.name(0)}", content)


@pytest.mark.parametrize("harm", [lambda content: content[:-9], lambda content: b"", bytes.swapcase])
def test_a_damaged_object_is_refused_and_computed_again(bucket: str, tmp_path: Path, harm: Any) -> None:
    """Cut short it is not listed as whole; with other bytes it is found out as it is read."""
    store = at(bucket, tmp_path)
    store.write(0, block([0, 1]))
    _harm(store, harm(store.place.read(store.name(0))))
    again = at(bucket, tmp_path)
    with pytest.raises(InputError, match="Run the same"):
        again.read(1)
    assert not at(bucket, tmp_path).is_finished(0)
    again.write(0, block([0, 1]))
    assert same(at(bucket, tmp_path).read(1), block([0, 1]))


def test_of_two_objects_of_a_part_the_first_seen_stays(bucket: str, tmp_path: Path) -> None:
    for seed in range(6):
        at(bucket, tmp_path / str(seed)).write(0, block([0, 1], seed=seed))
    assert len(names(at(bucket, tmp_path))) == 6
    for seed in range(6):
        assert same(at(bucket, tmp_path / str(seed)).read(1), block([0, 1], seed=seed))
    found = at(bucket, tmp_path / "new").read(1)
    at(bucket, tmp_path / "0").write(0, block([0, 1], seed=7))
    assert same(at(bucket, tmp_path / "new").read(1), found)


def test_a_part_of_other_rows_does_not_count_then_or_later(bucket: str, tmp_path: Path) -> None:
    """Cut by another rule: the numbers are the same, the rows are not."""
    other, own = block([7, 8, 9]), block([0, 1])
    at(bucket, tmp_path).write(0, other)
    due = {"row": own.rows.tolist(), **{name: own.columns[name].tolist() for name in ("tokens", "supervised")}}
    store = at(bucket, tmp_path)
    assert not store.is_finished(0, due)
    store.write(0, own)
    again = at(bucket, tmp_path)
    assert again.is_finished(0, due)
    assert same(at(bucket, tmp_path).read(1), own)
    for moved in (own.rows + 1, own.rows[::-1]):
        assert not at(bucket, tmp_path / "elsewhere").is_finished(0, {**due, "row": moved.tolist()})


def test_a_journal_with_a_torn_line_is_read_on(bucket: str, tmp_path: Path) -> None:
    store = at(bucket, tmp_path)
    store.write(0, block([0]))
    journal = store.folder / "objects.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"part": 1, "obj')
    store.write(1, block([1]))
    assert [json.loads(line)["part"] for line in journal.read_text().splitlines() if line.endswith("}")] == [0, 1]
    assert at(bucket, tmp_path).count() == 2


class Faulty:
    """A store that fails, cuts short or delays what is put, in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *faults: Any) -> None:
        self.faults, self.real = list(faults), MemoryFileSystem.pipe_file
        monkeypatch.setattr(
            MemoryFileSystem, "pipe_file", lambda system, path, value, **how: self.put(system, path, value)
        )
        monkeypatch.setattr(address, "PAUSES", (0.0, 0.0, 0.0))

    def put(self, system: MemoryFileSystem, path: str, value: bytes) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        self.real(system, path, value[:fault])


def test_a_store_that_fails_for_a_while_is_asked_again(bucket: str, tmp_path: Path, monkeypatch) -> None:
    Faulty(monkeypatch, OSError("503 Slow Down"), 100, TimeoutError("no answer"))
    store = at(bucket, tmp_path)
    store.write(0, block([0, 1]))
    assert same(at(bucket, tmp_path).read(1), block([0, 1]))


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([OSError("503 Slow Down")] * 4, "does not put part-00000.*OSError: 503 Slow Down"),
        ([100] * 4, r"does not put part-00000.*of [\d,]+ bytes 100 arrived"),
        ([PermissionError("Access Denied")], "does not put part-00000.*Access Denied.*your rights"),
        ([FileNotFoundError("NoSuchBucket")], "does not put part-00000.*NoSuchBucket"),
    ],
)
def test_a_store_that_refuses_is_an_input_error_and_nothing_counts(
    bucket: str, tmp_path: Path, monkeypatch, faults: list[Any], said: str
) -> None:
    faulty, store = Faulty(monkeypatch, *faults), at(bucket, tmp_path)
    with pytest.raises(InputError, match=said):
        store.write(0, block([0, 1]))
    assert not faulty.faults
    assert not at(bucket, tmp_path).is_finished(0)


def test_a_store_that_cannot_be_listed_is_an_input_error(bucket: str, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("Forbidden")

    monkeypatch.setattr(MemoryFileSystem, "ls", refuse)
    with pytest.raises(InputError, match=r"does not list it.*Forbidden"):
        at(bucket, tmp_path).is_finished(0)


@pytest.mark.parametrize(("url", "remedy"), [("s3://b/x", r"spice-select\[s3\]"), ("nowhere://x", "Give a path")])
def test_an_address_that_nothing_reads_names_what_would(tmp_path: Path, url: str, remedy: str) -> None:
    if url.startswith("s3") and "s3" in fsspec.available_protocols() and _installed("s3fs"):
        pytest.skip("what reads s3:// is there")
    with pytest.raises(InputError, match=remedy):
        at(url, tmp_path).is_finished(0)


def _installed(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def test_without_an_address_parts_lie_in_the_folder(tmp_path: Path) -> None:
    store = parts_at(tmp_path / "gradients", None, None)
    store.write(0, FeatureBlock(rows=np.array([0]), columns={}, finite=np.ones(1, bool)))
    assert sorted(path.name for path in (tmp_path / "gradients").iterdir()) == [
        "part-00000.parquet",
        "part-00000.sha256",
    ]
