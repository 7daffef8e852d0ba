"""Features on disk: whole or absent, never silently wrong."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from spice_select.errors import InputError
from spice_select.store import FeatureBlock, PartStore, atomic


def block(rows: list[int], dim: int = 3, seed: int = 0) -> FeatureBlock:
    draw, n = np.random.default_rng(seed), len(rows)
    return FeatureBlock(
        rows=np.array(rows, np.int64),
        features=draw.standard_normal((n, dim)).astype(np.float32),
        losses=draw.random(n),
        norms=draw.random(n),
        tokens=draw.integers(1, 99, n),
        supervised=draw.integers(1, 9, n),
        finite=draw.random(n) > 0.5,
    )


def same(left: FeatureBlock, right: FeatureBlock) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in left.__dataclass_fields__)


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
    with pytest.raises(FileNotFoundError):
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
    ("code", "word"), [(errno.ENOSPC, "full"), (errno.EROFS, "read-only"), (errno.EACCES, "Permission")]
)
def test_a_refusing_disk_is_explained(tmp_path: Path, code: int, word: str) -> None:
    with pytest.raises(InputError, match=word), atomic(tmp_path / "x"):
        raise OSError(code, os.strerror(code))


def test_an_unknown_fault_of_the_disk_stays_ours(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output"), atomic(tmp_path / "x"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_really_full_disk_is_explained(tmp_path: Path) -> None:
    """A file-size limit stands in for a full disk: the kernel refuses the write just the same."""
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
        [sys.executable, "-c", script, str(folder), str(Path(__file__).parent)], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert "grew beyond" in done.stdout
    assert list(folder.iterdir()) == []
