"""`python -m benchmarks.cluster`: the forecast against Ray on this machine, with workers that sleep.

The forecast is made from when the workers had loaded, and from the seconds that each part took where it was computed,
both by the ledger; the wall time is that of the last receipt.
"""

import argparse
import json
import logging
import os
import platform
import random
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.cluster.jobs import Sleeps
from benchmarks.cluster.simulate import forecast

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
        lines = read_ledger(folder)
    finished = sorted((line for line in lines if line["event"] == "finished"), key=lambda line: line["part"])
    opened = [at(line) - began for line in lines if line["event"] == "opened"]
    wall, took = max(map(at, finished)) - began, [line["seconds"] for line in finished]
    found = forecast(took, opened)
    return {
        "workers": workers,
        "parts": parts,
        "loads": opened,
        "wall": wall,
        "forecast": found,
        "off": found / wall - 1,
        "efficiency": sum(took) / sum(wall - load for load in opened),
        "asked_seconds": sum(lengths),
        "took_seconds": sum(took),
    }


def at(line: dict[str, Any]) -> float:
    """When a line of a ledger was written, seconds since 1970."""
    return datetime.fromisoformat(line["time"]).timestamp()


def main() -> None:
    import ray

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.5, help="mean seconds of a part")
    parser.add_argument("--out", type=Path, default=Path("cluster.json"))
    options = parser.parse_args()
    ray.init(
        "local",
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
    report = {"against_ray": measured, "platform": platform.platform(), "cores": os.cpu_count()}
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
