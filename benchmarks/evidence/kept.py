"""The runs behind the tables, kept as Parquet: who picked which rows, and the loss of every held-out row.

A table can so be made again without tuning, other statistics can be tried on it, and arms be added later. No text of a
row is in there: a row is its position in its bed, which a seed draws.
"""

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from benchmarks.evidence.tuning import Job, result_path

from spice_select.comparison.records import ArmRun, arm_run_of, read_arm_runs
from spice_select.store import atomic

_SELECTION = {"rows": pa.list_(pa.int32()), "supervised": pa.int64(), "tokens": pa.int64(), "bad": pa.int32()}
_HELD = {"name": pa.string(), "task": pa.bool_(), "rows": pa.list_(pa.int32()), "sources": pa.list_(pa.string())}
_LOSSES = {"sums": pa.list_(pa.float32()), "tokens": pa.list_(pa.int32())}
SCHEMA = pa.schema(
    {
        "bed": pa.string(),
        "arm": pa.string(),
        "seed": pa.int32(),
        "budget": pa.float64(),
        "steps": pa.int32(),
        "training_seconds": pa.float32(),
        "selection": pa.struct({**_SELECTION, "seconds": pa.float32()}),
        "held": pa.list_(pa.struct({**_HELD, **_LOSSES})),
    }
)
"""A row of it is a run: `sums` are nats over a held-out row's supervised `tokens`."""


def keep(records: Iterable[ArmRun], folder: Path) -> None:
    """Write the runs, a file a bed, in the order of budget, arm and seed; what was there of these beds is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    ordered = sorted(records, key=lambda record: (record.bed, record.budget or 0.0, record.arm, record.seed))
    for bed, own in groupby(ordered, key=lambda record: record.bed):
        table = pa.Table.from_pylist([_raw(record) for record in own], SCHEMA)
        with atomic(folder / f"{bed}.parquet") as aside:
            pq.write_table(table, aside, compression="zstd", compression_level=19)


def kept(folder: Path) -> list[ArmRun]:
    """The runs that were kept; none where nothing was."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    return [arm_run_of(raw) for table in tables for raw in table.to_pylist()]


def with_results(known: Iterable[ArmRun], results: Path) -> list[ArmRun]:
    """The known runs and those below `results`, which stand for known ones of the same bed, budget, arm and seed."""
    fresh = read_arm_runs(results) if any(results.glob("*.json")) else []
    return [*{_key(record): record for record in (*known, *fresh)}.values()]


def lay_out(known: Iterable[ArmRun], jobs: Iterable[Job], work: Path) -> list[Job]:
    """Put known runs where tunings put theirs, so that they are not done again.

    Returns:
        The jobs that were done with other rows than they have now: of those nothing is laid out.
    """
    done, changed = {_key(record): record for record in known}, list[Job]()
    for job in jobs:
        record, path = done.get(_key(job)), result_path(work, job)
        if record is None or path.exists():
            continue
        if list(record.selection.rows) != job.rows:
            changed.append(job)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as aside:
            aside.write_text(json.dumps(_raw(record)))
    return changed


def _key(run: ArmRun | Job) -> tuple[str, float | None, str, int]:
    return run.bed, run.budget, run.arm, run.seed


def _raw(record: ArmRun) -> dict[str, Any]:
    """The run as `arm_run_of` reads it."""
    return {
        "bed": record.bed,
        "arm": record.arm,
        "seed": record.seed,
        "budget": record.budget,
        "steps": record.steps,
        "training_seconds": record.training_seconds,
        "selection": vars(record.selection) | {"rows": list(record.selection.rows)},
        "held": [
            {
                "name": held.name,
                "task": held.task,
                "rows": list(held.rows),
                "sources": list(held.sources),
                "sums": held.sums.tolist(),
                "tokens": held.tokens.astype(int).tolist(),
            }
            for held in record.held
        ],
    }
