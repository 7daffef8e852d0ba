"""Nothing is lost and nothing is silently wrong: kills, damaged parts, full disks, clocks, rivals, lack of memory."""

import json
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from spice_select import load
from spice_select.store import PartStore

from .conftest import Command, run, start

sys.path.insert(0, str(Path(__file__).parent))
import breaking
from benchmarks.kills import differences, survive

YEARS = {"1970": 0, "2030": 1_893_456_000}


@pytest.fixture
def broken(whole: Path, tmp_path: Path) -> Path:
    """A copy of the whole run as it is before its last files are written."""
    folder = tmp_path / "r"
    shutil.copytree(whole, folder)
    (folder / "manifest.json").unlink()
    return folder


def resume(asked: tuple[str, ...], folder: Path) -> str:
    code, said = run((*asked, "--out", str(folder)))
    assert code == 0, said
    return said


def test_twenty_kills_at_random_moments_lose_nothing(asked, tmp_path) -> None:
    found = survive(asked, tmp_path, kills=20, seed=0)
    assert found.kills == 20
    assert found.faults == []
    assert found.at["in the gradients"] > 0


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 16
    path.write_bytes(content)


HARMS = {
    "truncated": (_truncate, ".parquet"),
    "emptied": (_empty, ".parquet"),
    "bit-flipped": (_flip, ".parquet"),
    "deleted": (Path.unlink, ".parquet"),
    "sum deleted": (Path.unlink, ".sha256"),
    "sum emptied": (_empty, ".sha256"),
    "sum flipped": (_flip, ".sha256"),
}


def test_harmed_parts_are_found_and_computed_again(asked, whole, broken) -> None:
    """Each harm to a part of its own, in one folder; the others are not touched."""
    store = PartStore(broken / "gradients")
    for number, (harm, suffix) in enumerate(HARMS.values()):
        harm(store.path(number).with_suffix(suffix))
    count = len(list((whole / "gradients").glob("*.parquet")))
    finished = [store.is_finished(number) for number in range(count)]
    assert finished == [number >= len(HARMS) for number in range(count)]
    assert any(finished)
    before = {number: store.path(number).stat().st_ino for number in range(count) if finished[number]}
    assert f"{sum(finished)} of {count} parts" in resume(asked, broken)
    assert differences(broken, whole) == []
    assert before == {number: store.path(number).stat().st_ino for number in before}


def test_a_part_renamed_over_another_with_its_sum_is_found_and_computed_again(asked, whole, broken) -> None:
    store = PartStore(broken / "gradients")
    for suffix in (".parquet", ".sha256"):
        shutil.copyfile(store.path(4).with_suffix(suffix), store.path(2).with_suffix(suffix))
    count = len(list((whole / "gradients").glob("*.parquet")))
    assert f"{count - 1} of {count} parts" in resume(asked, broken)
    assert differences(broken, whole) == []


@pytest.mark.parametrize("name", ["selected.jsonl", "selection.parquet", "dropped.jsonl"])
def test_a_harmed_output_of_a_finished_run_is_made_again(asked, whole, tmp_path, name) -> None:
    folder = tmp_path / "r"
    shutil.copytree(whole, folder)
    (folder / name).write_bytes(b"{}\n")
    resume(asked, folder)
    assert differences(folder, whole) == []


@pytest.mark.parametrize("year", YEARS)
def test_a_clock_that_moves_changes_nothing(asked, whole, broken, year) -> None:
    """Every file, and the process that resumes, in another year: nothing finished is computed again."""
    store = PartStore(broken / "gradients")
    store.path(3).unlink()
    for path in [broken, *broken.rglob("*")]:
        os.utime(path, (YEARS[year], YEARS[year]))
    before = list(broken.glob("gradients/part-*"))
    other = next(seconds for name, seconds in YEARS.items() if name != year)
    code, said = run((*asked, "--out", str(broken)), partial(breaking.clock_at, float(other)))
    assert code == 0, said
    assert differences(broken, whole) == []
    rewritten = {path.stem for path in before if path.stat().st_mtime != YEARS[year]}
    assert rewritten == {"part-00003"}


def test_of_two_processes_on_one_folder_one_wins_and_the_other_says_why(asked, whole, tmp_path) -> None:
    folder = tmp_path / "r"
    command = Command((*asked, "--out", str(folder)), prepare=breaking.with_slow_engine)
    first = start(command, tmp_path / "first.log")
    while not (folder / "identity.json").exists():
        assert first.exitcode is None, (tmp_path / "first.log").read_text()
        time.sleep(0.02)
    second = start(command, tmp_path / "second.log")
    second.join()
    first.join()
    assert (first.exitcode, second.exitcode) == (0, 2)
    assert "in use by another process" in (tmp_path / "second.log").read_text()
    assert differences(folder, whole) == []


def test_three_processes_at_once_corrupt_nothing(asked, whole, tmp_path) -> None:
    folder = tmp_path / "r"
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    processes = [start(Command((*asked, "--out", str(folder))), log) for log in logs]
    for process in processes:
        process.join()
    codes = [process.exitcode for process in processes]
    assert 0 in codes
    assert set(codes) <= {0, 2}
    assert all("in use by" in log.read_text() for log, code in zip(logs, codes, strict=True) if code == 2)
    assert differences(folder, whole) == []


@pytest.mark.parametrize("share", [0.07, 0.4, 0.83])
def test_a_disk_that_fills_up_costs_nothing_that_was_written(asked, whole, tmp_path, share) -> None:
    """The page is written last, can be made again, and is most of the bytes: it is not counted."""
    written = [path for path in whole.rglob("*") if path.is_file() and path.name != "report.html"]
    folder, size = tmp_path / "r", sum(path.stat().st_size for path in written)
    code, said = run((*asked, "--out", str(folder)), partial(breaking.full_disk, int(size * share)))
    assert code == 2, said
    assert "The disk is full" in said
    assert not (folder / "manifest.json").exists()
    finished = [n for n in range(99) if PartStore(folder / "gradients").is_finished(n)]
    assert all(filecmp(folder, whole, number) for number in finished)
    assert (f"Resuming: {len(finished)} of" in resume(asked, folder)) == bool(finished)
    assert differences(folder, whole) == []


@pytest.mark.parametrize("short", [1, 700])
def test_a_write_refused_in_the_middle_leaves_no_half_file(asked, whole, tmp_path, short) -> None:
    """A limit on the length of a file, a few bytes below a part's: the kernel cuts the write off."""
    folder, part = tmp_path / "r", PartStore(whole / "gradients").path(0).stat().st_size
    code, said = run((*asked, "--out", str(folder)), partial(breaking.small_files, part - short))
    assert code == 2, said
    assert "grew beyond" in said
    assert not any((folder / "gradients").glob("part-*"))
    resume(asked, folder)
    assert differences(folder, whole) == []


def filecmp(folder: Path, whole: Path, number: int) -> bool:
    one, other = (PartStore(place / "gradients").path(number) for place in (folder, whole))
    return one.read_bytes() == other.read_bytes()


def test_out_of_memory_once_halves_a_batch_and_the_run_goes_on(asked, whole, tmp_path) -> None:
    folder = tmp_path / "r"
    code, said = run((*asked, "--out", str(folder)), partial(breaking.out_of_memory, 2))
    assert code == 0, said
    found, expected = load(folder).features, load(whole).features
    assert found.rows.tolist() == expected.rows.tolist()
    scale = np.abs(expected.features).max()
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5 * scale)
    assert load(folder).selection.indices.tolist() == load(whole).selection.indices.tolist()


def test_out_of_memory_always_names_a_row_and_keeps_what_there_is(asked, whole, broken) -> None:
    store = PartStore(broken / "gradients")
    store.path(4).unlink()
    code, said = run((*asked, "--out", str(broken)), partial(breaking.out_of_memory, None))
    assert code == 2, said
    assert "does not fit in memory by itself" in " ".join(said.split())
    assert store.is_finished(3)
    resume(asked, broken)
    assert differences(broken, whole) == []


def test_what_a_killed_process_left_aside_is_swept_away(asked, broken) -> None:
    import platform

    host = "".join(c if c.isalnum() else "_" for c in platform.node())
    dead = max(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()) + 100_000
    mine = broken / "gradients" / f"part-00001.parquet.{host}-{dead}.part"
    living = broken / f"selected.jsonl.{host}-{os.getpid()}.part"
    elsewhere = broken / "gradients" / f"part-00002.parquet.otherhost-{dead}.part"
    for path in (mine, living, elsewhere):
        path.write_text("half")
    resume(asked, broken)
    assert [path.exists() for path in (mine, living, elsewhere)] == [False, True, True]


def test_the_manifest_is_the_last_file_and_true(asked, whole) -> None:
    from spice_select.store import sha256

    outputs = json.loads((whole / "manifest.json").read_text())["outputs"]
    assert outputs == {name: sha256(whole / name) for name in outputs}
