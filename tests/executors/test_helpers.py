"""Actors that follow the first process: who begins, who is left out, and that work is shared until they are ended."""

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

import pytest

from spice_select.errors import InputError
from spice_select.executors import EngineSettings, SharedExecutor, shared_among
from spice_select.executors.cluster.versions import own_versions
from spice_select.store import is_held

SHARED = "1 worker of the Ray cluster and this process share the run."


class FakeRay:
    """Ray's calls on threads of this process: an actor is an object, a call a future."""

    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        def __init__(self, cause):
            self.cause = cause

    def __init__(self, cores, slow=()):
        self.cores, self.slow, self.exceptions, self.ended = cores, slow, self, 0
        self.options_asked, self.threads, self.never = {}, ThreadPoolExecutor(8), set()

    def nodes(self):
        return [{"Alive": True, "NodeID": "one", "Resources": {"CPU": self.cores}}]

    def remote(self, kind):
        self.kind = kind
        return self

    def options(self, **asked):
        self.options_asked = asked
        return ActorClass(self)

    def wait(self, calls, *, num_returns=1, timeout):
        if timeout:  # however slow this machine is: all that will ever answer have
            wait([call for call in calls if call not in self.never])
        done = {call for call in calls if call.done()}
        return [call for call in calls if call in done], [call for call in calls if call not in done]

    def get(self, call):
        try:
            return call.result()
        except InputError as error:
            raise self.RayTaskError(error) from error

    def unanswered(self):
        call = Future()
        self.never.add(call)
        return call

    def kill(self, actor, no_restart):
        self.ended += 1


class ActorClass:
    def __init__(self, ray):
        self.ray, self.made = ray, 0

    def remote(self, *parts):
        actor, number = Actor(self.ray, self.ray.kind(*parts)), self.made
        self.made += 1
        if number in self.ray.slow:
            actor.begin.remote = self.ray.unanswered
        return actor


class Actor:
    def __init__(self, ray, one):
        self.begin, self.follow = Method(ray, one.begin), Method(ray, one.follow)


class Method:
    def __init__(self, ray, call):
        self.ray, self.call = ray, call

    def remote(self, *asked):
        return self.ray.threads.submit(self.call, *asked)


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """Opens a run shared with actors of a fake cluster: `ray`, the settings asked for, what is told."""
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr("spice_select.executors.cluster.helpers._BEGINNING", 0.1)
    for module in ("helpers", "actor"):  # this process stays as it is
        monkeypatch.setattr(f"spice_select.executors.cluster.{module}.begin_like_driver", begun)

    def opened(ray, told=None, **asked):
        @contextlib.contextmanager
        def connected(_):
            yield ray

        monkeypatch.setattr("spice_select.executors.cluster.helpers.connected", connected)
        return shared_among(
            tmp_path,
            tmp_path / "meeting",
            device="cpu",
            helping=f"{__name__}:helping",
            engine=EngineSettings(engine="ray", **asked),
            tell=[].append if told is None else told.append,
        )

    return opened


def begun(versions, threads, log):
    if versions != own_versions():
        raise InputError("node-7 has other versions than the driver")
    assert threads == 2
    log.touch()


class Notes:
    """Work that notes who did what."""

    def __init__(self, folder, rank):
        self.folder, self.rank = folder, rank

    def open(self):
        return lambda part: (self.folder / f"{part}").write_text(str(self.rank))

    def is_finished(self, part):
        return (self.folder / f"{part}").is_file()


def helping(folder, place, *, device):
    """What an actor does here: its share of nine parts, once it sees the first process."""
    assert device == "cpu"
    while not is_held(folder / "meeting" / "process-0.lock"):
        time.sleep(0.01)
    one = SharedExecutor(folder=folder / "meeting", place=place)
    one.run(range(9), Notes(folder, place.rank))


def test_actors_do_their_share_and_are_ended(shared, tmp_path):
    ray = FakeRay(cores=7)
    with shared(ray) as first:
        first.share(range(9), Notes(tmp_path, 0))
        assert [(tmp_path / f"{part}").read_text() for part in range(9)] == ["0", "1", "2", "3"] * 2 + ["0"]
        assert ray.ended == 0
    assert ray.ended == 3
    assert ray.options_asked["num_cpus"] == 2
    assert len(list(tmp_path.glob("worker-*.log"))) == 3


def test_fewer_than_were_asked_for_is_said(shared, tmp_path):
    told = []
    with shared(FakeRay(cores=3), told, workers=5) as first:
        first.share(range(9), Notes(tmp_path, 0))
    assert told == ["--workers 5: 1 fit on the cluster, and begin.", SHARED]
    assert {(tmp_path / f"{part}").read_text() for part in range(9)} == {"0", "1"}


def test_an_actor_that_does_not_begin_is_left_out(shared, tmp_path):
    told = []
    with shared(FakeRay(cores=4, slow={0}), told) as first:
        first.share(range(9), Notes(tmp_path, 0))
    assert told == ["1 of 2 workers have not begun in 0 s, and are left out.", SHARED]
    assert {(tmp_path / f"{part}").read_text() for part in range(9)} == {"0", "1"}


def test_a_cluster_that_gives_none_is_refused(shared):
    with pytest.raises(InputError, match=r"gave no worker .* though 2 would fit"), shared(FakeRay(4, slow={0, 1})):
        pass
    with pytest.raises(InputError, match="no node of the cluster has room for a worker, which takes 2 CPU"):
        shared(FakeRay(cores=1)).__enter__()


def test_actors_of_other_versions_are_left_out_and_where_all_are_the_run_ends(shared, monkeypatch):
    told = []
    monkeypatch.setattr("spice_select.executors.cluster.helpers.own_versions", lambda: {"python": "2.7"})
    with pytest.raises(InputError, match="node-7 has other versions"), shared(FakeRay(cores=4), told):
        pass
    assert told == ["A worker cannot begin, and is left out: node-7 has other versions than the driver"] * 2


def test_why_an_actor_stopped_helping_is_told_and_its_share_is_done(shared, tmp_path, monkeypatch):
    told = []

    def failing(folder, place, *, device):
        raise InputError("runs/x is another run than this process would help with")

    monkeypatch.setattr(f"{__name__}.helping", failing)
    with shared(FakeRay(cores=2), told) as first:
        first.share(range(9), Notes(tmp_path, 0))
        first.share(range(9, 12), Notes(tmp_path, 0))
    assert {(tmp_path / f"{part}").read_text() for part in range(12)} == {"0"}
    assert told == [
        SHARED,
        "Worker 0 helps no more: runs/x is another run than this process would help with",
        "Process 1 is gone with parts unfinished: they are computed here.",
    ]


def test_a_node_that_does_not_see_the_run_folder_is_refused(shared, tmp_path, monkeypatch):
    from spice_select.executors.cluster.helpers import Helper

    lost = partial(Helper, own_versions(), 2, tmp_path / "elsewhere" / "worker-0.log")
    with pytest.raises(InputError, match="not seen on a node: with --schedule interleaved"):
        lost().begin()
