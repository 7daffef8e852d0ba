"""One Ray cluster for all tests: two cores and little memory, whatever the machine has."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = str(Path(__file__).parent)
SOURCE = str(Path(__file__).parents[3] / "src")
SMALL = {"object_store_memory": 80 * 2**20, "memory": 2**30, "include_dashboard": False}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """The cluster; `.address` is what `--address` takes."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    asked = {
        "PYTHONPATH": os.pathsep.join([HERE, SOURCE, os.environ.get("PYTHONPATH", "")]),
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in asked.items():
            patch.setenv(name, value)
        patch.syspath_prepend(HERE)
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **SMALL})
        yield found
        found.shutdown()


@pytest.fixture
def engine(cluster: Any, tmp_path: Path) -> Callable[..., Any]:
    """Makes an executor on the cluster; what it tells is in `.told`, which workers begin after."""
    from spice_select.executors import EngineSettings
    from spice_select.executors.cluster import RayExecutor

    def make(told: list[str] | None = None, versions: Any = None, **asked: Any) -> RayExecutor:
        import torch

        torch.set_num_threads(1)
        settings = EngineSettings(engine="ray", address=cluster.address, **asked)
        said: list[str] = [] if told is None else told
        more: dict[str, Any] = {} if versions is None else {"versions": versions}
        return RayExecutor(
            folder=tmp_path, device="cpu", asked=settings, tell=said.append, tick=0.5, settles=0.5, **more
        )

    return make


def run_whole(executor: Any, job: Any, parts: Sequence[int]) -> list[int]:
    """Run it; the parts that were seen, in order."""
    seen: list[int] = []
    executor.run(parts, job, seen=seen.append)
    return seen
