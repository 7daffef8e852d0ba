"""The way to a cluster: what cannot be reached or used is said in a sentence, and what was there is left alone."""

import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from spice_select.errors import InputError
from spice_select.executors import EngineSettings
from spice_select.executors.cluster.connection import connected, refuse_silent
from spice_select.executors.cluster.room import fitting_workers, no_room
from spice_select.executors.cluster.versions import differing_versions, own_versions


@pytest.mark.parametrize("address", ["here", "ray://head:10001", "head:port", ":6379", "head:", "head:²"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="not HOST:PORT"):
        refuse_silent(address)


def test_an_address_that_does_not_answer_is_refused_within_seconds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        began = time.monotonic()
        with pytest.raises(InputError, match=r"no Ray cluster answers at 127.0.0.1:\d+ \(.*refused"):
            refuse_silent(f"127.0.0.1:{taken.getsockname()[1]}")
        assert time.monotonic() - began < 6


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(InputError, match=r"Ray is not installed here. pip install 'spice-select\[ray\]'"),
        connected(EngineSettings(engine="ray")),
    ):
        pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError("Version mismatch: The cluster was started with:\n Python: 3.11.9"),
            "Python: 3.11.9",
        ),
        (
            ConnectionError("Could not find any Ray instance.\nPlease"),
            r"\(Could not find any Ray instance\.\)",
        ),
    ],
)
def test_what_ray_says_of_a_cluster_is_said_in_a_sentence(monkeypatch, error: Exception, words: str) -> None:
    ray = pytest.importorskip("ray")

    def refuses(*given: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr(ray, "init", refuses)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(InputError, match=words), connected(EngineSettings(engine="ray")):
        pass


def node(alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"Alive": alive, "NodeID": "n", "Resources": {"memory": 1e9, **resources}}


def test_workers_fit_on_nodes_not_on_their_sum() -> None:
    nodes = [node(CPU=3), node(CPU=3), node(CPU=64, GPU=8), node(False, CPU=64, GPU=8)]
    assert fitting_workers(nodes, {"CPU": 2}) == 1 + 1 + 32
    assert fitting_workers(nodes, {"CPU": 1, "GPU": 1}) == 8
    assert fitting_workers(nodes[:2], {"CPU": 4}) == 0
    assert "2 nodes, with 3 CPU." in str(no_room(nodes[:2], {"CPU": 4}))


def test_versions_that_differ_are_listed() -> None:
    own = own_versions()
    assert differing_versions(own, own) == ""
    assert own["ray"] != "none"
    assert differing_versions({**own, "torch": "1.0"}, own) == f"torch: the driver has 1.0, the worker {own['torch']}"


@pytest.mark.cluster
def test_a_connection_that_was_there_is_used_and_left(cluster: Any) -> None:
    import ray

    ray.init(cluster.address, log_to_driver=False)
    try:
        with connected(EngineSettings(engine="ray", address="127.0.0.1:1")):
            pass
        assert ray.is_initialized()
    finally:
        ray.shutdown()
    with connected(EngineSettings(engine="ray", address=cluster.address)):
        assert ray.is_initialized()
    assert not ray.is_initialized()


@pytest.mark.cluster
def test_a_cluster_without_the_package_is_told_so(cluster: Any, tmp_path: Path, monkeypatch) -> None:
    """Its workers cannot import it, as on a node where nobody has installed it."""
    from ray.cluster_utils import Cluster

    from spice_select.executors.cluster import RayExecutor

    from .conftest import SMALL, run_whole
    from .jobs import RowsJob

    (tmp_path / "sitecustomize.py").write_text(_WITHOUT_PACKAGE)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        bare = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **SMALL})
    try:
        asked = EngineSettings(engine="ray", address=bare.address, workers=1)
        with pytest.raises(InputError, match=r"No module named 'spice_select'\). Install the same packages"):
            run_whole(RayExecutor(folder=tmp_path, device="cpu", asked=asked), RowsJob(tmp_path / "parts"), range(3))
    finally:
        bare.shutdown()


_WITHOUT_PACKAGE = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "spice_select":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without())
"""
