"""Peak memory of one selection of unit rows, in a process of its own: `ru_maxrss`, and what the features take of it."""

import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Shape:
    """n rows of d numbers, k picks, λ, and what is maximised: `log-det` or `target-variance`."""

    n: int
    d: int
    k: int
    weight: float = 0.1
    objective: str = "log-det"


SHAPES = (
    Shape(n=100_000, d=64, k=10_000),
    Shape(n=1_000_000, d=64, k=100_000),
    Shape(n=1_000_000, d=64, k=300, weight=0.0, objective="target-variance"),
    Shape(n=97_500, d=4096, k=400),
    Shape(n=20_000, d=1024, k=1000, weight=0.0, objective="target-variance"),
    Shape(n=97_500, d=4096, k=200, weight=0.0, objective="target-variance"),
)


def measured(shape: Shape, *, timeout: float = 3000.0) -> dict[str, float | str]:
    """Megabytes: `features` (float32, as a run keeps them), `loaded` (the process with them), `peak`; seconds."""
    command = [sys.executable, "-m", "benchmarks.scale.memory", json.dumps(asdict(shape))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        return {"error": done.stderr.strip()[-300:]}
    found: dict[str, float | str] = json.loads(done.stdout)
    return found


def _select(shape: Shape) -> dict[str, float | str]:
    import hashlib
    import time

    from spice_select.methods.base import Candidates
    from spice_select.selection import Conflict, greedy
    from spice_select.selection.objectives import OBJECTIVES
    from spice_select.store import FeatureBlock

    rng, rows = np.random.default_rng(0), np.arange(shape.n)
    matrix = np.empty((shape.n, shape.d), dtype=np.float32)
    scale = (1 / np.sqrt(np.arange(1, shape.d + 1))).astype(np.float32)
    for start in range(0, shape.n, 8192):
        tile = matrix[start : start + 8192]
        tile[:] = rng.standard_normal(tile.shape, dtype=np.float32) * scale
    block = FeatureBlock(
        rows=rows,
        columns={"tokens": np.ones(shape.n, np.int64), "supervised": np.ones(shape.n, np.int64)},
        finite=np.ones(shape.n, bool),
        features=matrix,
    )
    loaded, started, busy = peak(), time.perf_counter(), time.process_time()
    candidates = Candidates.of_gradients(block, normalise="unit")
    picks = greedy(candidates.matrix, shape.k, objective=OBJECTIVES[shape.objective](), penalty=Conflict(shape.weight))
    return {
        "features": matrix.nbytes / 1e6,
        "loaded": loaded,
        "peak": peak(),
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - busy,
        "picks": hashlib.sha256(picks.indices.tobytes()).hexdigest()[:16],
    }


def peak() -> float:
    """Megabytes. Linux gives kilobytes, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    print(json.dumps(_select(Shape(**json.loads(sys.argv[1])))))
