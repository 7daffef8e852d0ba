"""`--select-shards`: a cluster carries messages, the picks are those of one process, the rest is refused by name."""

import contextlib
import pickle
import threading

import numpy as np
import pytest

from spice_select.errors import InputError, SpiceError
from spice_select.executors import EngineSettings
from spice_select.methods import Candidates
from spice_select.methods.budget import Allowance
from spice_select.methods.information import Information
from spice_select.methods.select_modes import CertifiedMode, RelaxedMode
from spice_select.methods.spice import Spice
from spice_select.methods.target import TargetSet
from spice_select.progress import Silent
from spice_select.run.feasible import refuse_settings
from spice_select.run.settings import SelectSettings
from spice_select.run.shards import ShardHost, on_shards, shard_notes
from spice_select.selection import LogDet, TargetInformation
from spice_select.selection.objectives import DistinctVariance, TargetVariance
from spice_select.store import FeatureBlock
from spice_select.testing.selection import sample_features


class FakeRay:
    """Ray's calls in this process. What is sent is pickled, as there; every `fatal`th call finds its actor dead."""

    def __init__(self, cores=8, fatal=10**9):
        self.cores, self.fatal, self.calls, self.alive = cores, fatal, 0, 0
        self.exceptions = self
        self.one = threading.RLock()  # actors are processes; Python 3.11 parses in two threads at once only by luck

    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        def __init__(self, cause):
            self.cause = cause

    def nodes(self):
        return [{"Alive": True, "NodeID": "one", "Resources": {"CPU": self.cores}}]

    def remote(self, kind):
        return FakeClass(self, kind)

    def kill(self, actor, no_restart):
        self.alive -= 1

    def get(self, call):
        self.calls += 1
        if self.calls % self.fatal == 0:
            raise self.RayError
        try:
            with self.one:
                return pickle.loads(pickle.dumps(call()))
        except (InputError, KeyError) as error:
            raise self.RayTaskError(error) from error


class FakeClass:
    def __init__(self, ray, kind):
        self.ray, self.kind = ray, kind

    def options(self, **asked):
        return self

    def remote(self, *parts):
        self.ray.alive += 1
        return FakeActor(self.kind(*pickle.loads(pickle.dumps(parts))))


class FakeActor:
    def __init__(self, host):
        self.host, self.answer = host, self

    def remote(self, *question):
        sent = pickle.loads(pickle.dumps(question))
        return lambda: self.host.__class__.answer(self.host, *sent)


@pytest.fixture
def ray(monkeypatch):
    fake = FakeRay()

    @contextlib.contextmanager
    def connected(asked):
        yield fake

    monkeypatch.setattr("spice_select.run.shards.connected", connected)
    return fake


def block_of(n, d, seed=0):
    rows, ones = np.arange(n), np.ones(n, np.int64)
    features = sample_features("aniso", n, d, seed=seed).astype(np.float32)
    columns = {"tokens": 10 + rows % 7, "supervised": ones, "loss": ones * 1.0, "norm": ones * 1.0}
    return FeatureBlock(rows=rows, columns=columns, finite=np.ones(n, bool), features=features)


def candidates_of_block(n=200, d=10, **parts):
    return Candidates.of_gradients(block_of(n, d), normalise="unit", **parts)


def targets():
    return TargetSet(rows=np.arange(9), tasks=["a"] * 5 + ["b"] * 4, features={"gradients": block_of(9, 10, seed=5)})


@pytest.mark.parametrize("fatal", [10**9, 11])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("objective", [TargetVariance, DistinctVariance, LogDet, TargetInformation])
def test_the_choice_is_that_of_one_process(ray, tmp_path, objective, scaled, fatal):
    ray.fatal = fatal
    scales = np.linspace(0.5, 2, 200) if scaled else None
    one = candidates_of_block(scales=scales, target=targets() if objective is TargetInformation else None)
    method = Information(objective) if objective is not LogDet else Spice(weight=0.1)
    for allowance in (Allowance(rows=40), Allowance(tokens=400)):
        with on_shards(one, tmp_path, 3, EngineSettings(engine="ray")) as there:
            found = method.choose(there, allowance, seed=0, progress=Silent())
        here = method.choose(one, allowance, seed=0, progress=Silent())
        assert found.indices.tolist() == here.indices.tolist()
        np.testing.assert_allclose(found.columns["gain"], here.columns["gain"], rtol=1e-10)
        np.testing.assert_allclose(found.columns["base"], here.columns["base"], rtol=1e-10)
        (note,) = shard_notes(there, found)
        assert "3 shards" in note
        assert ("opened again" in note) == (fatal == 11)
    assert ray.alive == 0
    assert not list(tmp_path.iterdir())
    assert shard_notes(one, here) == ()


@pytest.mark.parametrize("mode", [CertifiedMode(), RelaxedMode()])
def test_quick_modes_of_log_det_choose_alike_over_shards(ray, tmp_path, mode):
    one, method = candidates_of_block(n=600), Spice(weight=0.1, mode=mode)
    with on_shards(one, tmp_path, 3, EngineSettings(engine="ray")) as there:
        found = method.choose(there, Allowance(rows=260), seed=0, progress=Silent())
    here = method.choose(one, Allowance(rows=260), seed=0, progress=Silent())
    assert found.indices.tolist() == here.indices.tolist()


def test_nothing_is_spread_where_nothing_was_asked(tmp_path):
    one = candidates_of_block()
    with on_shards(one, tmp_path, None, EngineSettings()) as there:
        assert there is one


def test_a_cluster_without_room_is_refused_and_says_what_fits(ray, tmp_path, monkeypatch):
    ray.cores = 4
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    with (
        pytest.raises(InputError, match=r"--select-shards 3: each takes 2 CPU, as many as .* 2 fit on the cluster"),
        on_shards(candidates_of_block(), tmp_path, 3, EngineSettings(engine="ray")),
    ):
        pass


def test_what_goes_wrong_on_a_node_is_said(ray, tmp_path, monkeypatch):
    one, asked = candidates_of_block(), EngineSettings(engine="ray")
    monkeypatch.setattr(ShardHost, "answer", lambda host, method: {}[method])
    with pytest.raises(SpiceError, match="a shard failed: KeyError"), on_shards(one, tmp_path, 3, asked):
        pass


@pytest.mark.parametrize(("versions", "said"), [({"numpy": "0.1"}, "other versions"), (None, "is not seen on a node")])
def test_a_node_that_differs_or_does_not_see_the_file_is_refused(tmp_path, versions, said):
    from spice_select.executors.cluster.versions import own_versions
    from spice_select.run.shards import ShardPlace

    place = ShardPlace(file=tmp_path / "none.npy", first=0, end=3, divisors=None, factors=None)
    with pytest.raises(InputError, match=said):
        ShardHost(place, versions or own_versions()).answer("facts")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"engine": "here"}, "--select-shards 4 without --engine ray"),
        ({"gather": True}, "with --gather"),
        ({"schedule": "pools"}, "with --schedule pools"),
        (
            {"objective": "matched-step", "target": ("a.jsonl",)},
            "with --objective matched-step: over shards only log-det, target-",
        ),
        ({"conflict_weight": 0.1}, "with --conflict-weight 0.1: over shards distinct-variance takes no penalty"),
        ({"method": "spice", "target": ("a.jsonl",), "objective": "log-det", "conflict_weight": 0.1}, "and --target"),
        ({"method": "craig"}, "--select-shards 4: not read by --method craig"),
    ],
)
def test_what_shards_cannot_do_is_refused_by_name(asked, said):
    settings = {"engine": "ray", "select_shards": 4, **asked}
    with pytest.raises(InputError, match=said):
        refuse_settings(SelectSettings.from_flat(settings))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"target": ("a.jsonl",)},
        {"method": "spice"},
        {"method": "spice", "select_mode": "certified"},
        {"budget": "5k-tokens", "token_price": 0.5},
    ],
)
def test_what_shards_can_do_is_let_through(asked):
    refuse_settings(SelectSettings.from_flat({"engine": "ray", "select_shards": 4, **asked}))
