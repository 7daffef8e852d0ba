"""What a selection over all rows will take, said before it is run: from a smaller one of the same shape, and a rate.

Lazy greedy refreshes a share of the bounds that eager greedy computes. That share depends on how large the budget is
against the rows and against the width (k/n, k/d), hardly on the size itself: so it is measured on a matrix of an eighth
of the size in each. What an operation costs depends on the width: it is measured at the full one, between an eighth and
a quarter of the picks.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from benchmarks.cluster.simulate import forecast
from benchmarks.selection.generators import features

from spice_select.selection import Conflict, greedy

SHRUNK = 8


@dataclass(frozen=True, kw_only=True)
class SelectionCase:
    """A kind of matrix, n rows of d numbers, k picks, λ."""

    kind: str
    n: int
    d: int
    k: int
    weight: float = 0.0

    @property
    def eager(self) -> float:
        """Operations of greedy that computes every gain again after every pick."""
        return 2.0 * self.n * self.d * self.k


CASES = (
    SelectionCase(kind="unit", n=20_000, d=512, k=2_000),
    SelectionCase(kind="unit", n=40_000, d=1024, k=2_000),
    SelectionCase(kind="heavy", n=40_000, d=512, k=4_000),
)


def predicted_and_actual(case: SelectionCase) -> dict[str, Any]:
    """`predicted_seconds`, made before the selection is run, and `actual_seconds`, both of the processor."""
    small = replace(case, n=case.n // SHRUNK, d=case.d // SHRUNK, k=case.k // SHRUNK)
    _, small_flops = _timed(small)
    share = small_flops / small.eager
    (eighth, few), (quarter, more) = _timed(replace(case, k=case.k // 8)), _timed(replace(case, k=case.k // 4))
    rate = (more - few) / (quarter - eighth)
    predicted = eighth + (share * case.eager - few) / rate
    actual, real = _timed(case)
    return {
        **asdict(case),
        "share_of_eager_predicted": share,
        "share_of_eager_actual": real / case.eager,
        "gflops": rate / 1e9,
        "predicted_seconds": predicted,
        "actual_seconds": actual,
        "off": predicted / actual - 1,
    }


def _timed(case: SelectionCase) -> tuple[float, float]:
    """Seconds of the processor, and operations."""
    rows = features(case.kind, case.n, case.d).astype(np.float32)
    penalty, started = Conflict(case.weight) if case.weight else None, time.process_time()
    found = greedy(rows, case.k, penalty=penalty)
    return time.process_time() - started, found.stats.flops


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """A data-centre GPU and its network. All but the utilisation are guesses to be replaced.

    Attributes:
        parameters: of the proxy.
        row_tokens: of a row, padding included.
        peak: bf16 operations a second of a GPU.
        utilisation: the share of them that per-sample gradients reach: what 0.5B parameters did on an H200, 65 536
            tokens a batch (`benchmarks/gradients/results/gpu.json`).
        selecting: float32 operations a second that the selector reaches on a GPU.
        load: seconds until a worker has its model.
        part: seconds of a part.
        round_trip: seconds for a round of the leader with all shards.
        link: bytes a second into the leader.
    """

    parameters: float = 0.5e9
    row_tokens: float = 200.0
    peak: float = 989e12
    utilisation: float = 0.1
    selecting: float = 15e12
    load: float = 60.0
    part: float = 60.0
    round_trip: float = 0.025
    link: float = 1.25e9


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What was counted here, of a selection over shards: see `benchmarks.scale.rounds`.

    Attributes:
        of_eager: operations, as a share of eager greedy's.
        picks_a_round, rows_a_pick: of the leader's protocol; by shards.
    """

    of_eager: dict[int, float]
    picks_a_round: dict[int, float]
    rows_a_pick: dict[int, float]


GPUS = (1, 8, 64)
ROWS = (1_000_000, 10_000_000)
WIDTH, SHARE = 1024, 0.1


def scale_table(counted: Counted, assumed: Assumed) -> list[dict[str, Any]]:
    """Hours and bytes of 10⁶ and 10⁷ rows on 1, 8 and 64 GPUs, a tenth of the rows picked."""
    return [scaled(rows, gpus, counted, assumed) for rows in ROWS for gpus in GPUS]


def scaled(rows: int, gpus: int, counted: Counted, assumed: Assumed) -> dict[str, Any]:
    """One line of it: gradients of all rows in parts, then exact greedy over shards.

    4·N operations a token: forward, and backward to the inputs alone, since the weights stand still.
    """
    work = 4.0 * assumed.parameters * assumed.row_tokens * rows / (assumed.peak * assumed.utilisation)
    parts = [assumed.part] * max(1, round(work / assumed.part))
    gradients = forecast(parts, [assumed.load] * gpus)
    picks = round(SHARE * rows)
    flops = counted.of_eager[gpus] * 2.0 * rows * WIDTH * picks
    rounds = picks / counted.picks_a_round[gpus]
    sent = counted.rows_a_pick[gpus] * picks * WIDTH * 4
    terms = {
        "operations": flops / (gpus * assumed.selecting),
        "rounds": rounds * assumed.round_trip if gpus > 1 else 0.0,
        "rows_sent": sent / assumed.link if gpus > 1 else 0.0,
    }
    return {
        "rows": rows,
        "gpus": gpus,
        "features_gigabytes": rows * WIDTH * 4 / 1e9,
        "gradient_hours": gradients / 3600,
        "gradient_efficiency": work / (gradients * gpus),
        "selection_hours": sum(terms.values()) / 3600,
        "selection_terms_hours": {name: seconds / 3600 for name, seconds in terms.items()},
    }


def counted_in(records: Sequence[dict[str, Any]]) -> Counted:
    """The unit rows without a penalty of `scale.json`."""
    rows = [one for one in records if one["kind"] == "unit" and one["weight"] == 0]
    return Counted(
        of_eager={one["shards"]: one["of_eager"] for one in rows},
        picks_a_round={one["shards"]: one["picks_a_round"] for one in rows},
        rows_a_pick={one["shards"]: one["rows_a_pick"] for one in rows},
    )
