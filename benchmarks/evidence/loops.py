"""Choices pool by pool and in the loop: the product's own runs, of which all that was picked is tuned on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.evidence.features import BATCH_TOKENS

import spice_select

_POOLS: Mapping[str, Any] = {"schedule": "pools", "pool_size": 60}
"""Ten pools of a bed of 600 rows, so that a proxy that is updated after each has moved nine times."""
_LOOP: Mapping[str, Any] = {**_POOLS, "schedule": "interleaved", "update_every": 1}
_VARIANCE: Mapping[str, Any] = {"objective": "target-variance", "token_price": 0}
_RAW: Mapping[str, Any] = {"method": "spice", "normalise": "none", "token_price": 0}
DRAWN = "random in pools"
UNIONS: Mapping[str, Mapping[str, Any]] = {
    DRAWN: {**_POOLS, "method": "random"},
    "variance in pools": {**_POOLS, **_VARIANCE},
    "variance in the loop": {**_LOOP, **_VARIANCE},
    "log det, raw, in the loop": {**_LOOP, **_RAW},
    "lead in the loop": {**_LOOP, "method": "lead"},
    "greats in the loop": {**_LOOP, "method": "greats"},
}
"""Who chooses so, as `spice_select.select` takes it. `greats` alone is told of the target."""
MOVING = "variance in the loop"
REDRAWN = f"{MOVING}, drawn anew"
"""The variance in the loop; and so that every seed has pools of its own, where else one choice stands for all."""
TURNED_LOOPS: Mapping[str, Mapping[str, Any]] = {
    f"{MOVING}, pools of 30": {**UNIONS[MOVING], "pool_size": 30},
    f"{MOVING}, pools of 120": {**UNIONS[MOVING], "pool_size": 120},
    f"{MOVING}, a step after 5": {**UNIONS[MOVING], "update_every": 5},
    REDRAWN: UNIONS[MOVING],
}
"""The variance in the loop with other pools, and with fewer steps of the proxy (T9)."""


def union(
    pool: Path, target: Path, arm: str, out: Path, *, budget: int, seed: int, gradients: dict[str, Any]
) -> list[int]:
    """Rows that the arm picked in all of its pools, within so many supervised tokens; a run that is there is resumed.

    Args:
        pool, target: files of rows.
        arm: one of `UNIONS` or `TURNED_LOOPS`.
        out: folder of the run.
        budget: supervised tokens.
        seed: of the pools, and of what the method draws.
        gradients: settings of the proxy and its gradients.
    """
    asked = dict({**UNIONS, **TURNED_LOOPS}[arm])
    if asked.get("method") != "random":
        asked |= {**gradients, "batch_tokens": BATCH_TOKENS}
    if asked.get("method") == "greats":
        asked |= {"target": str(target)}
    run = spice_select.select(pool, out=out, budget=f"{budget}-supervised-tokens", seed=seed, **asked)
    return run.row_numbers.tolist()
