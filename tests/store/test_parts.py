"""Features on disk: whole or absent, never silently wrong."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from spice_select.errors import InputError
from spice_select.store import (
    FeatureBlock,
    PartStore,
    atomic,
    is_whole,
    make_folder,
    output_file,
    parts,
    sha256,
    sums,
    write_json,
    write_sum,
)


def block(rows: list[int], dim: int = 3, seed: int = 0) -> FeatureBlock:
    draw, n = np.random.default_rng(seed), len(rows)
    return FeatureBlock(
        rows=np.array(rows, np.int64),
        features=draw.standard_normal((n, dim)).astype(np.float32),
        columns={
            "loss": draw.random(n),
            "norm": draw.random(n),
            "tokens": draw.integers(1, 99, n),
            "supervised": draw.integers(1, 9, n),
        },
        finite=draw.random(n) > 0.5,
    )


def same(left: FeatureBlock, right: FeatureBlock) -> bool:
    alike = all(np.array_equal(getattr(left, name), getattr(right, name)) for name in ("rows", "finite", "features"))
    return alike and all(np.array_equal(column, right.columns[name]) for name, column in left.columns.items())


def test_parts_read_back_in_row_order_with_every_column(tmp_path: Path) -> None:
    store = PartStore(tmp_path / "gradients")
    whole = block([5, 0, 3, 9, 2])
    store.write(0, whole.take(np.array([0, 1])))
    store.write(1, whole.take(np.array([2, 3, 4])))
    assert same(store.read(2), whole.take(np.argsort(whole.rows)))


def test_the_same_block_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        PartStore(tmp_path / name).write(0, block([1, 2]))
    assert PartStore(tmp_path / "a").path(0).read_bytes() == PartStore(tmp_path / "b").path(0).read_bytes()


def test_a_missing_part_is_an_error_not_zeros(tmp_path: Path) -> None:
    store = PartStore(tmp_path)
    store.write(0, block([0]))
    with pytest.raises(InputError, match="missing"):
        store.read(2)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [_truncate, _flip_a_bit, Path.unlink])
def test_a_harmed_part_is_not_finished(tmp_path: Path, harm) -> None:
    store = PartStore(tmp_path)
    store.write(0, block([0, 1]))
    assert store.is_finished(0)
    harm(store.path(0))
    assert not store.is_finished(0)


def test_a_part_without_its_sum_is_not_finished(tmp_path: Path) -> None:
    store = PartStore(tmp_path)
    store.write(0, block([0]))
    (tmp_path / "part-00000.sha256").unlink()
    assert not store.is_finished(0)


def test_any_parquet_reader_opens_a_part(tmp_path: Path) -> None:
    store = PartStore(tmp_path)
    expected = block([4, 7])
    store.write(0, expected)
    table = pq.read_table(store.path(0))
    assert table["row"].to_pylist() == [4, 7]
    assert np.array_equal(np.array(table["feature"].to_pylist(), np.float32), expected.features)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic(target) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (errno.ENOSPC, "full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "Permission"),
        (errno.ENAMETOOLONG, "longer than the file system takes"),
        (errno.ELOOP, "in a circle"),
        (errno.EISDIR, "A folder is in the way"),
    ],
)
def test_a_refusing_disk_is_explained(tmp_path: Path, code: int, word: str) -> None:
    with pytest.raises(InputError, match=word), atomic(tmp_path / "x"):
        raise OSError(code, os.strerror(code))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux's /proc")
def test_a_place_where_nothing_can_be_made_is_explained() -> None:
    """The kernel's own file systems say `No such file or directory`, whatever is made there."""
    with pytest.raises(InputError, match=r"/proc/gone/run cannot be written .* Choose another place"):
        make_folder(Path("/proc/gone/run"))
    for path in (Path("/proc/gone/run/table.json"), Path("/proc/self/table.json")):
        with pytest.raises(InputError, match=r"cannot be written .* Choose another place"):
            write_json(path, {})


def test_where_an_output_goes_is_known_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "true.json")
    assert output_file(tmp_path / "link.json") == (tmp_path / "true.json").resolve()
    assert output_file(tmp_path / "new" / "found.json") == (tmp_path / "new" / "found.json").resolve()
    assert not list(tmp_path.rglob("*.part"))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for place, cause in (
        (tmp_path / "new", "is a folder"),
        (tmp_path / "pipe", "a pipe or a device"),
        (tmp_path / "file" / "found.json", "A part of the path is a file|A file is in the way"),
    ):
        with pytest.raises(InputError, match=cause):
            output_file(place)


@pytest.mark.parametrize("write", ["safetensors", "tokenizers", "torch"])
def test_a_library_that_makes_an_error_of_its_own_of_a_full_disk_is_explained(tmp_path: Path, write: str) -> None:
    """Under a limit on the size of files, which stands in for it: the system refuses in the middle of a write."""
    script = (
        "import resource, signal, sys, torch; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path; from spice_select.errors import InputError\n"
        "from spice_select.store import whole_folder; from spice_select.store.tensors import save_tensors\n"
        "from spice_select.testing.tokenizers import tiny_tokenizer\n"
        "write, folder, tokenizer = sys.argv[1], Path(sys.argv[2]), tiny_tokenizer()\n"
        "tensors = {'a': torch.zeros(99_999)}\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    if write == 'safetensors': save_tensors(folder / 'x', tensors, {})\n"
        "    with whole_folder(folder / 'f') as aside:\n"
        "        if write == 'torch': torch.save(tensors, aside / 'x')\n"
        "        tokenizer.save_pretrained(aside)\n"
        "except InputError as error: print(error); sys.exit(2)\n"
    )
    done = subprocess.run([sys.executable, "-B", "-c", script, write, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_fault_of_the_disk_stays_ours(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output"), atomic(tmp_path / "x"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_really_full_disk_is_explained(tmp_path: Path) -> None:
    """A file-size limit stands in for a full disk: the kernel refuses the write just the same.

    No bytecode is written under it: it would be cut off, and kept.
    """
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from test_parts import block; from spice_select.store import PartStore\n"
        "from spice_select.errors import InputError\n"
        "try: PartStore(Path(sys.argv[1])).write(0, block(list(range(500)), dim=64))\n"
        "except InputError as error: print(error); sys.exit(2)\n"
    )
    folder = tmp_path / "gradients"
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(folder), str(Path(__file__).parent)], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert "grew beyond" in done.stdout
    assert list(folder.iterdir()) == []


def test_a_part_of_another_origin_is_neither_finished_nor_read(tmp_path: Path) -> None:
    PartStore(tmp_path, "one").write(0, block([0, 1]))
    assert PartStore(tmp_path, "one").is_finished(0)
    assert not PartStore(tmp_path, "two").is_finished(0)
    with pytest.raises(InputError, match="another run"):
        PartStore(tmp_path, "two").read(1)


def test_a_part_that_does_not_say_what_it_was_made_from_is_not_of_this_run(tmp_path: Path) -> None:
    PartStore(tmp_path).write(0, block([0, 1]))
    store = PartStore(tmp_path, "one")
    assert not store.is_finished(0)
    assert store.faults(1) == {0: "it was made by another run"}
    with pytest.raises(InputError, match="another run"):
        store.read(1)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of what a store hashes; files count as long unchanged."""
    real, lengths = sums.hashlib.sha256, []
    monkeypatch.setattr(sums, "_SETTLED", -1.0)
    monkeypatch.setattr(sums.hashlib, "sha256", lambda content=b"": lengths.append(len(content)) or real(content))
    return lengths


def test_the_bytes_of_a_part_are_hashed_once(tmp_path: Path, hashed: list[int]) -> None:
    PartStore(tmp_path, "one").write(0, block([0, 1]))
    hashed.clear()
    store = PartStore(tmp_path, "one")
    assert store.is_finished(0, {"row": [0, 1]})
    for _ in range(2):
        assert same(store.read(1), block([0, 1]))
    assert hashed == [store.path(0).stat().st_size]


def test_a_part_that_changed_since_it_was_hashed_is_hashed_again(tmp_path: Path, hashed: list[int]) -> None:
    store = PartStore(tmp_path, "one")
    store.write(0, block([0, 1]))
    assert store.is_finished(0)
    time.sleep(0.02)
    times = store.path(0).stat()
    _flip_a_bit(store.path(0))
    os.utime(store.path(0), ns=(times.st_atime_ns, times.st_mtime_ns))  # nobody can set the time of that change
    assert not store.is_finished(0)
    with pytest.raises(InputError, match="do not match"):
        store.read(1)
    store.write(0, block([2, 3]))
    assert store.read(1).rows.tolist() == [2, 3]
    (tmp_path / "part-00000.sha256").unlink()
    assert not store.is_finished(0)


def test_a_part_written_a_moment_ago_is_not_taken_on_trust(tmp_path: Path) -> None:
    """Two changes within one tick of the clock leave the same times."""
    store = PartStore(tmp_path)
    for _ in range(20):
        store.write(0, block([0, 1]))
        assert store.is_finished(0)
        _flip_a_bit(store.path(0))
        assert not store.is_finished(0)


def test_parts_are_checked_without_being_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = PartStore(tmp_path, "one")
    for part in range(3):
        store.write(part, block([part]))
    PartStore(tmp_path, "two").write(1, block([1]))
    _flip_a_bit(store.path(2))
    monkeypatch.setattr(parts, "read_table", lambda *a: pytest.fail("decoded"))
    monkeypatch.setattr(sums.WholeFiles, "read", lambda *a: pytest.fail("in memory"))
    assert store.faults(4) == {
        1: "it was made by another run",
        2: "its bytes do not match its sum",
        3: "it is missing",
    }


def test_a_part_of_other_rows_is_not_the_one_that_is_due(tmp_path: Path) -> None:
    store, whole = PartStore(tmp_path, "one"), block([4, 7])
    store.write(0, whole)
    due = {"row": [4, 7], "tokens": whole.tokens.tolist()}
    assert store.is_finished(0, due)
    assert not store.is_finished(0, {**due, "row": [7, 4]})
    assert not store.is_finished(0, {"row": [4]})
    assert not store.is_finished(0, {"no such column": [4, 7]})


@pytest.mark.parametrize("harm", [_truncate, _flip_a_bit, Path.unlink])
def test_a_harmed_part_is_not_read(tmp_path: Path, harm) -> None:
    """Also where the harm lies in the numbers alone, which any Parquet reader would take."""
    store = PartStore(tmp_path)
    store.write(0, block([0]))
    store.write(1, block([1, 2], dim=3))
    harm(store.path(1))
    with pytest.raises(InputError, match=r"part-00001.*(bytes do not match|missing).*same `spice select` command"):
        store.read(2)
    assert list(store.faults(2)) == [1]


def test_a_part_altered_between_two_looks_is_not_read(tmp_path: Path, monkeypatch) -> None:
    """Another process puts a sound part of other rows in its place while this one reads."""
    store = PartStore(tmp_path)
    store.write(0, block([0, 1]))
    look = PartStore._rows

    def then_replaced(self, part):
        rows = look(self, part)
        store.write(0, block([5, 6]))
        return rows

    monkeypatch.setattr(PartStore, "_rows", then_replaced)
    with pytest.raises(InputError, match="does not belong"):
        store.read(1)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"0" * 64])
def test_a_sum_of_any_bytes_is_no_sum(tmp_path: Path, content: bytes) -> None:
    store = PartStore(tmp_path)
    store.write(0, block([0]))
    (tmp_path / "part-00000.sha256").write_bytes(content)
    assert not store.is_finished(0)


def test_a_right_sum_of_what_is_no_part_is_not_finished(tmp_path: Path) -> None:
    store = PartStore(tmp_path)
    store.path(0).write_bytes(b"PAR1 not a part PAR1")
    write_sum(store.path(0), sha256(store.path(0)))
    assert is_whole(store.path(0))
    assert not store.is_finished(0)
    assert "no Parquet" in store.faults(1)[0]
    with pytest.raises(InputError, match="no Parquet"):
        store.read(1)


def test_no_parts_are_no_rows(tmp_path: Path) -> None:
    assert len(PartStore(tmp_path).read(0).rows) == 0


@pytest.mark.parametrize("what", ["read(1).features", "is_finished(0, {'row': list(range(64))})", "faults(1)"])
def test_a_process_that_ends_right_after_reading_ends_well(tmp_path: Path, what: str) -> None:
    """Memory of Python's in Arrow's threads is given back when there is no Python left: an abort."""
    PartStore(tmp_path).write(0, block(list(range(64)), dim=4096))
    code = (
        f"from pathlib import Path; from spice_select.store import PartStore; PartStore(Path({str(tmp_path)!r})).{what}"
    )
    ended = [subprocess.run([sys.executable, "-c", code], capture_output=True).returncode for _ in range(8)]
    assert ended == [0] * 8
