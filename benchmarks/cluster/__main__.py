"""`python -m benchmarks.cluster`: the forecast against Ray on this machine, with workers that sleep.

The forecast is made from what the workers' own ledger says of their loading, and from the seconds that the parts were
told to take. Then what it says of a large corpus: 2e9 tokens on 1, 8 and 64 workers.
"""

import argparse
import json
import logging
import random
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.cluster.jobs import Sleeps
from benchmarks.cluster.simulate import Fleet, forecast

from spice_select.executors import EngineSettings
from spice_select.executors.cluster import RayExecutor
from spice_select.executors.cluster.ledger import read_ledger


def against_ray(workers: int, parts: int, seconds: float, load: float, seed: int) -> dict[str, Any]:
    """The wall time of parts on so many sleeping workers, and the forecast of it."""
    import torch

    torch.set_num_threads(1)  # a worker takes as many cores as this process has threads
    draw = random.Random(seed)
    lengths = [draw.uniform(0.6, 1.4) * seconds for _ in range(parts)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = Sleeps(folder / "parts", load, lengths)
        asked = EngineSettings(engine="ray", workers=workers)
        began = time.time()
        RayExecutor(folder=folder, device="cpu", asked=asked).run(range(parts), job)
        wall = time.time() - began
        lines = read_ledger(folder)
    opened = [datetime.fromisoformat(line["time"]).timestamp() - began for line in lines if line["event"] == "opened"]
    found = forecast(lengths, Fleet(loads=opened))
    return {
        "workers": workers,
        "parts": parts,
        "loads": opened,
        "wall": wall,
        "forecast": found.seconds,
        "off": found.seconds / wall - 1,
        "efficiency": sum(lengths) / (workers * (wall - min(opened))),
    }


def at_scale() -> list[dict[str, Any]]:
    """2e9 tokens in parts of 16,384 and 262,144, by a proxy of 0.5B (80,000 tokens a second, 45 s to load)."""
    found = []
    for size in (16_384, 262_144):
        for workers in (1, 8, 64):
            parts = [size / 80_000] * round(2e9 / size)
            told = forecast(parts, Fleet(loads=[45.0] * workers, deaths=0.05))
            found.append({"part_tokens": size, "workers": workers, "hours": told.seconds / 3600, **vars(told)})
    return found


def main() -> None:
    import ray

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5, help="mean seconds of a part")
    parser.add_argument("--out", type=Path, default=Path("cluster.json"))
    options = parser.parse_args()
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=80 * 2**20,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        measured = [against_ray(workers, 8 * workers, options.seconds, load=2.0, seed=workers) for workers in (1, 2, 4)]
    finally:
        ray.shutdown()
    report = {"against_ray": measured, "at_scale": at_scale()}
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
