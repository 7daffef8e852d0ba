"""Several processes fill one store: the same parts, none lost when one of them dies."""

import threading
import time
from pathlib import Path

import pytest

import spice_select
from spice_select.errors import InputError
from spice_select.executors import DeviceExecutor, LocalExecutor, ProcessPlace, SharedExecutor, executor_for, shared
from spice_select.store import PartStore, is_held
from spice_select.testing.executor import CountingJob, check_executor, write_part


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: LocalExecutor(),
        lambda folder: SharedExecutor(folder=folder, place=ProcessPlace()),
        lambda folder: DeviceExecutor(folder=folder, meeting=folder, devices=("cpu",)),
    ],
    ids=["local", "shared", "devices"],
)
def test_an_executor_keeps_the_contract(make, tmp_path: Path) -> None:
    check_executor(make, tmp_path)


def process(store: PartStore, rank: int, world: int, done: list[int], **options):
    """An executor's run in a thread of its own, which stands for a process."""
    executor = SharedExecutor(folder=store.folder, place=ProcessPlace(rank=rank, world=world), poll=0.01, **options)

    seen: list[int] = []
    job = CountingJob(store.folder, computed=done)
    thread = threading.Thread(target=lambda: executor.run(range(7), job, seen=seen.append))
    thread.start()
    return thread, seen


def test_each_process_computes_its_share_and_the_first_waits_for_all(tmp_path: Path) -> None:
    store, done = PartStore(tmp_path), [[], [], []]
    first, seen = process(store, 0, 3, done[0])
    time.sleep(0.05)
    assert first.is_alive()
    others = [process(store, rank, 3, done[rank])[0] for rank in (1, 2)]
    for thread in (first, *others):
        thread.join(20)
    assert done == [[0, 3, 6], [1, 4], [2, 5]]
    assert sorted(seen) == [1, 2, 4, 5]
    assert all(store.is_finished(part) for part in range(7))
    assert list(tmp_path.glob("*.lock")) == []


def test_a_process_that_dies_is_noticed_and_its_parts_are_computed(tmp_path: Path) -> None:
    """A lock file that was begun and that nobody holds is what a killed process leaves."""
    store, done, told = PartStore(tmp_path), [], []
    first, _ = process(store, 0, 2, done, tell=told.append)
    time.sleep(0.05)
    write_part(store, 1)
    (tmp_path / "process-1.lock").write_text("begun\n")
    first.join(20)
    assert sorted(done) == [0, 2, 3, 4, 5, 6]
    assert told == ["Process 1 is gone with parts unfinished: they are computed here."]


def test_a_process_that_never_begins_is_given_up(tmp_path: Path) -> None:
    store, done = PartStore(tmp_path), []
    first, _ = process(store, 0, 2, done, patience=0.1)
    first.join(20)
    assert sorted(done) == list(range(7))


def test_a_process_whose_work_fails_leaves_its_mark(tmp_path: Path) -> None:
    class Broken(CountingJob):
        def open(self):
            raise MemoryError

    with pytest.raises(MemoryError):
        executor = SharedExecutor(folder=tmp_path, place=ProcessPlace(rank=1, world=2))
        executor.run([1], Broken(tmp_path))
    assert is_held(tmp_path / "process-1.lock") is False


def test_marks_of_an_earlier_run_are_forgotten(tmp_path: Path) -> None:
    store, done, told = PartStore(tmp_path), [[], []], []
    (tmp_path / "process-1.lock").write_text("begun\n")
    first, _ = process(store, 0, 2, done[0], tell=told.append)
    time.sleep(0.05)
    second, _ = process(store, 1, 2, done[1])
    first.join(20)
    second.join(20)
    assert done == [[0, 2, 4, 6], [1, 3, 5]]
    assert told == []


def test_a_process_that_is_just_beginning_is_never_taken_for_dead(tmp_path: Path, monkeypatch) -> None:
    """Between making its file and holding it, it could lose its processor for as long as it takes to be looked at."""
    looks, hold = [], shared.hold

    def looked_at(file, *, wait):
        looks.append(shared._is_living(tmp_path / "process-1.lock"))
        taken = hold(file, wait=wait)
        looks.append(shared._is_living(tmp_path / "process-1.lock"))
        return taken

    monkeypatch.setattr(shared, "hold", looked_at)
    thread, _ = process(PartStore(tmp_path), 1, 2, done := [])
    thread.join(20)
    assert done == [1, 3, 5]
    assert looks == [None, None]


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({}, ProcessPlace()),
        ({"RANK": "0", "WORLD_SIZE": "1"}, ProcessPlace()),
        ({"RANK": "3", "WORLD_SIZE": "8"}, ProcessPlace(rank=3, world=8)),
    ],
)
def test_the_environment_of_torchrun_tells_the_place(environment, place) -> None:
    assert ProcessPlace.of_environment(environment) == place


@pytest.mark.parametrize("environment", [{"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "x"}, {"RANK": "1"}])
def test_a_place_that_cannot_be_is_refused(environment) -> None:
    with pytest.raises(InputError):
        ProcessPlace.of_environment(environment)


def test_the_work_of_one_process_is_not_begun_by_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"WORLD_SIZE=2 .* a training is the work of one process"):
        spice_select.train(tmp_path / "run")
    with pytest.raises(InputError, match=r"WORLD_SIZE=2 .* a comparison is the work of one process"):
        spice_select.compare(tmp_path / "pool.jsonl")


def test_the_executor_follows_environment_and_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(device: str = "auto") -> object:
        return executor_for(tmp_path, tmp_path, device=device)

    assert isinstance(chosen(), LocalExecutor)
    monkeypatch.setattr("spice_select.executors.choose.visible_gpus", lambda: ["cuda:0", "cuda:1"])
    found = chosen()
    assert isinstance(found, DeviceExecutor)
    assert found.devices == ["cuda:0", "cuda:1"]
    assert isinstance(chosen("cuda:1"), LocalExecutor)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    shared = chosen()
    assert isinstance(shared, SharedExecutor)
    assert shared.place == ProcessPlace(rank=1, world=2)
