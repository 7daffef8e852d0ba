"""A cluster on this machine, and what goes wrong on one: every part is there in the end, and the same."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spice_select.errors import InputError, SpiceError
from spice_select.executors import LocalExecutor
from spice_select.executors.cluster import pieces
from spice_select.executors.cluster.ledger import read_ledger
from spice_select.store import sha256

from .conftest import run_whole
from .jobs import Dies, Poison, Raises, RowsJob, Tells, Truncates, WaitsForNodes

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="session")
def true(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Sums of the parts as one process makes them."""
    job = RowsJob(tmp_path_factory.mktemp("true"))
    LocalExecutor().run(range(12), job)
    return sums_of(job)


def sums_of(job: RowsJob, parts: int = 12) -> list[str]:
    return [sha256(job.store.path(part)) for part in range(parts)]


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in read_ledger(folder) if line["event"] == kind]


@pytest.mark.parametrize("gather", [False, True])
def test_parts_are_those_of_one_process(
    engine: Callable[..., Any], true: list[str], tmp_path: Path, gather: bool
) -> None:
    job = RowsJob(tmp_path / "parts")
    seen = run_whole(engine(gather=gather, workers=2), job, range(12))
    assert sorted(seen) == list(range(12))
    assert sums_of(job) == true
    finished = events(tmp_path, "finished")
    assert [line["sha256"] for line in sorted(finished, key=lambda line: line["part"])] == true
    assert events(tmp_path, "died") == []
    assert all(len(json.dumps(line)) < 1000 for line in finished)


@pytest.mark.parametrize("by_signal", [True, False])
def test_a_worker_that_dies_costs_its_part_once(engine, true, tmp_path: Path, by_signal: bool) -> None:
    told: list[str] = []
    events_of_worker = [Dies(tmp_path / "dead", 3, by_signal), Tells(tmp_path / "log")]
    job = RowsJob(tmp_path / "parts", seconds=0.05, events=events_of_worker)
    run_whole(engine(told, workers=2), job, range(12))
    assert sums_of(job) == true
    assert "died of part 3, or at it (1 times)" in "".join(told)
    assert [line["part"] for line in events(tmp_path, "died") if line["counts"]] == [3]
    assert len((tmp_path / "log").read_text().splitlines()) == 12, "what waited behind part 3 was computed once"


def test_a_row_that_kills_is_dropped_and_nothing_else(engine, true, tmp_path: Path, monkeypatch) -> None:
    """One death is enough here: each takes seconds, and `test_pieces.py` counts them."""
    monkeypatch.setattr(pieces, "DEATHS", 1)
    told: list[str] = []
    job = RowsJob(tmp_path / "parts", events=[Poison(9)])
    run_whole(engine(told, workers=2), job, range(12))
    found = sums_of(job)
    assert [found[part] == true[part] for part in range(12)] == [part != 2 for part in range(12)]
    block = job.store.read([2])
    assert block.killers == {9}
    assert block.finite.tolist() == [True, False, True, True]
    assert "Row 9 is left out: 1 workers died of it alone." in told
    assert [line["row"] for line in events(tmp_path, "dropped")] == [9]


def test_a_bug_ends_the_run_at_once_with_its_traceback(engine, tmp_path: Path) -> None:
    job = RowsJob(tmp_path / "parts", events=[Raises(1, ValueError("the rows are crooked")), Tells(tmp_path / "log")])
    with pytest.raises(SpiceError, match=r"failed: ValueError: the rows are crooked\n(?s:.*)in __call__") as caught:
        run_whole(engine(workers=1), job, range(12))
    assert not isinstance(caught.value, InputError)
    assert events(tmp_path, "died") == []
    assert "1 " not in [line[:2] for line in (tmp_path / "log").read_text().splitlines()], "never tried again"


def test_what_a_person_can_mend_is_told_in_a_sentence(engine, tmp_path: Path) -> None:
    job = RowsJob(tmp_path / "parts", events=[Raises(1, InputError("the disk is full"))])
    with pytest.raises(InputError, match=r"^the disk is full$"):
        run_whole(engine(workers=1), job, range(3))


def test_a_disk_that_loses_bytes_is_noticed(engine, true, tmp_path: Path) -> None:
    told: list[str] = []
    job = RowsJob(tmp_path / "parts", after=[Truncates(tmp_path, 2, times=2)])
    run_whole(engine(told, workers=1), job, range(12))
    assert sums_of(job) == true
    assert sum("what is there is not that: computed again" in sentence for sentence in told) == 2


def test_a_disk_that_cannot_be_trusted_ends_the_run(engine, tmp_path: Path) -> None:
    job = RowsJob(tmp_path / "parts", after=[Truncates(tmp_path, 2, times=3)])
    with pytest.raises(SpiceError, match=r"3 workers said that they had written it.*--gather"):
        run_whole(engine(workers=1), job, range(4))


def test_other_versions_are_refused_and_listed(engine, tmp_path: Path) -> None:
    from spice_select.executors.cluster.versions import own_versions

    told: list[str] = []
    other = {**own_versions(), "torch": "1.0", "python": "3.11.0"}
    with pytest.raises(InputError, match=r"python: the driver has 3.11.0, the worker .*; torch: the driver has 1.0"):
        run_whole(engine(told, versions=other, workers=2), RowsJob(tmp_path / "parts"), range(4))


def test_what_fits_nowhere_is_refused_at_once(engine, tmp_path: Path) -> None:
    from dataclasses import replace

    began = time.monotonic()
    with pytest.raises(InputError, match=r"no node of the cluster has room for a worker, which takes 1 GPU, 1 CPU"):
        run_whole(replace(engine(), device="cuda"), RowsJob(tmp_path / "parts"), range(4))
    assert time.monotonic() - began < 8


def test_a_node_that_joins_late_gets_parts_and_one_that_goes_takes_none_with_it(
    engine, cluster: Any, true, tmp_path: Path
) -> None:
    from .conftest import SMALL

    told: list[str] = []
    joined: list[Any] = []
    job = RowsJob(tmp_path / "parts", seconds=0.7, events=[WaitsForNodes(tmp_path, 10)])
    seen: list[int] = []

    def seen_one(part: int) -> None:
        seen.append(part)
        if len(seen) == 1:
            joined.append(cluster.add_node(num_cpus=1, **SMALL))
        nodes = {line["node"] for line in events(tmp_path, "opened")}
        if len(nodes) == 2 and len(joined) == 1:
            joined.append(None)
            cluster.remove_node(joined[0], allow_graceful=False)

    executor = engine(told)
    executor.run(range(40), job, seen=seen_one)
    assert sorted(seen) == list(range(40))
    assert sums_of(job) == true
    assert len({line["node"] for line in events(tmp_path, "opened")}) == 2
    assert len(joined) == 2
    assert len([line for line in events(tmp_path, "died") if line["part"] is not None]) == 1


def test_a_receipt_that_comes_late_with_other_bytes_is_counted(engine, tmp_path: Path) -> None:
    """What a worker does that was taken for dead: it writes its part once more, and not as the one that counts."""
    told: list[str] = []
    job = RowsJob(tmp_path / "parts")
    seen: list[int] = []

    def seen_one(part: int) -> None:
        seen.append(part)
        if part == 1:
            job.store.write(1, job.store.read([1]).take([0, 1, 2, 3]).concatenate([job.store.read([0])]))

    engine(told, workers=1).run(range(5), job, seen=seen_one)
    assert [sentence for sentence in told if "Part 1 was computed twice, with other bytes" in sentence]
    assert events(tmp_path, "ended")[0]["odd"] == [1]


def test_nothing_of_a_run_is_left_on_the_machine(engine, cluster: Any, tmp_path: Path) -> None:
    import psutil

    job = RowsJob(tmp_path / "parts", events=[Raises(5, ValueError("x"))])
    with pytest.raises(SpiceError):
        run_whole(engine(workers=2), job, range(6))
    workers = {line["pid"] for line in events(tmp_path, "opened")}
    assert workers
    until = time.monotonic() + 5
    while (left := workers & set(psutil.pids())) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == set()
