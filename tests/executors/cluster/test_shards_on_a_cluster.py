"""A choice over actors of a real cluster: the picks of one process, also where an actor is killed on the way."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spice_select.executors import EngineSettings
from spice_select.methods import Candidates
from spice_select.run.shards import ShardHost, on_shards
from spice_select.selection import Conflict, DistinctVariance, LogDet, greedy
from spice_select.selection.objectives import TargetVariance
from spice_select.store import FeatureBlock
from spice_select.testing.selection import sample_features

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


class Pid(ShardHost):
    """A host that says which process it is, in place of a fact."""

    def answer(self, method: str, *question: Any) -> Any:
        return os.getpid() if method == "pid" else super().answer(method, *question)


CHOICES: dict[str, dict[str, Any]] = {
    "all": {"objective": TargetVariance()},
    "once": {"objective": DistinctVariance()},
    "penalised": {"objective": LogDet(), "penalty": Conflict(0.1)},
}


@pytest.mark.parametrize("options", CHOICES.values(), ids=CHOICES)
def test_the_picks_are_those_of_one_process(
    cluster: Any, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spice_select.run.shards.ShardHost", Pid)
    monkeypatch.setattr("spice_select.run.shards.cores_as_here", lambda: {"num_cpus": 1})
    rows = np.arange(3000)
    features = sample_features("aniso", 3000, 32).astype(np.float32)
    features[2000:] = features[:1000]
    columns = {"tokens": rows, "supervised": rows}
    block = FeatureBlock(rows=rows, columns=columns, finite=np.ones(3000, bool), features=features)
    one, asked = Candidates.of_gradients(block, normalise="unit"), EngineSettings(engine="ray", address=cluster.address)
    with on_shards(one, tmp_path, 2, asked) as there:
        spread: Any = there.apart
        victim, seen = spread.shards[1].pid(), []

        def picked(amount: int) -> None:
            if not seen:
                os.kill(victim, signal.SIGKILL)
            seen.append(amount)

        found = greedy(spread, 300, progress=picked, **options)
    assert spread.lost >= 1
    assert found.indices.tolist() == greedy(one.matrix, 300, **options).indices.tolist()
