"""Seconds of a selection and of each of its judgements, and the peak, in one process: `unit` rows as a run keeps them.

    OMP_NUM_THREADS=1 python -m benchmarks.scale.judging '{"n": 24375, "d": 1024, "k": 2437}'
    … '{"n": 97500, "d": 4096, "k": 9750, "objective": "target-variance"}'

Rows are `aniso` of benchmarks/selection/generators.py in float32, with a length each. By log det λ is 0.1, else 0.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from benchmarks.scale.memory import peak
from benchmarks.selection.generators import features

from spice_select.diagnosis import certificate, curvature, versus_random
from spice_select.diagnosis.versus_random import RANDOM_DRAWS
from spice_select.methods.base import Candidates
from spice_select.selection import Conflict, LogDet, greedy
from spice_select.selection.objectives import OBJECTIVES
from spice_select.store import FeatureBlock


@dataclass(frozen=True, kw_only=True)
class Judged:
    """n rows of d numbers, k picks, and what they are chosen by."""

    n: int
    d: int
    k: int
    objective: str = "log-det"


def judged(case: Judged) -> dict[str, Any]:
    """Wall and processor seconds of each; megabytes: `features`, `loaded` (the process with them), `peak`."""
    matrix = features("aniso", case.n, case.d)
    ones = np.ones(case.n, np.int64)
    block = FeatureBlock(
        rows=np.arange(case.n),
        columns={"tokens": ones, "supervised": ones},
        finite=np.ones(case.n, bool),
        features=matrix,
    )
    found: dict[str, Any] = {"features": matrix.nbytes / 1e6, "loaded": peak()}
    rows, by_information = Candidates.of_gradients(block, normalise="unit").matrix, case.objective == "log-det"
    objective, asked = LogDet(), OBJECTIVES[case.objective]()
    picks = _timed(
        found,
        "selection",
        lambda: greedy(rows, case.k, objective=asked, penalty=Conflict(0.1) if by_information else None),
    )
    versus = _timed(found, "draws", lambda: versus_random(rows, picks, objective, draws=RANDOM_DRAWS))
    if by_information:  # as `spice select` has it
        found["value"] = _timed(found, "curvature", lambda: curvature(rows, objective)).value
    proof = _timed(found, "certificate", lambda: certificate(rows, picks, objective))
    return found | {
        "picks": hashlib.sha256(picks.indices.tobytes()).hexdigest()[:16],
        "information": versus.information,
        "random": [versus.mean, versus.std],
        "certified": proof.ratio,
        "bound": proof.best,
        "steps": proof.steps,
    }


def _timed(found: dict[str, Any], name: str, work: Callable[[], Any]) -> Any:
    wall, busy = time.perf_counter(), time.process_time()
    result = work()
    found[name] = {"wall": time.perf_counter() - wall, "processor": time.process_time() - busy, "peak": peak()}
    print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    return result


if __name__ == "__main__":
    case = Judged(**json.loads(sys.argv[1]))
    print(json.dumps(asdict(case) | judged(case)))
