"""What leader and shards tell each other: arrays and numbers. Rows have their numbers among all rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.divided import DividedRows
from spice_select.selection.paths.blocked.bounds import Update
from spice_select.selection.relaxation.factor import Forms
from spice_select.selection.relaxation.tally import Tally

if TYPE_CHECKING:
    from spice_select.selection.partitioned.foretelling import Ahead, Foretold, Past, SoughtTerms


class ShardLostError(Exception):
    """A shard does not answer any more: its rows are to be opened again."""


@dataclass(frozen=True, kw_only=True)
class ShardFacts:
    """What a shard holds: `rows` rows of `d` numbers, float64 if `wide`, the longest of which is `peak` as stored.

    `longest` and `shortest` (but for zeros) are lengths as they count.
    """

    rows: int
    d: int
    wide: bool
    peak: float
    longest: float
    shortest: float


@dataclass(frozen=True, kw_only=True, eq=False)
class RunTerms:
    """A request, as far as bounds depend on it.

    Attributes:
        alpha, weight, eta: of log det and of the conflict penalty; `eta` None without one.
        scale: the power of two near the longest row of all shards.
        prices: float64, what the shard's scores are divided by; None for 1.
        hidden: int64, the shard's rows that cannot be the next pick.
    """

    alpha: float
    weight: float
    eta: float | None
    scale: float
    prices: NDArray[np.float64] | None
    hidden: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RootAt:
    """L [d, d] in float32 (in float64 where rows are to be evaluated by it) after `picks` picks."""

    dense: NDArray[np.floating]
    picks: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Standing:
    """Where a run stands, for a shard that was opened late: the root now, and the mean gradient of the picks."""

    root: RootAt
    mean: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Settled:
    """What float64 found for some rows, as `Bounds.settle` takes it."""

    rows: NDArray[np.int64]
    r: NDArray[np.float64]
    noise: float
    cosines: NDArray[np.float64] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class News:
    """What happened since a shard last heard.

    Attributes:
        update: what the last block changed; None if it had no pick.
        root: L, now and then, for rows that are far behind.
        settled: the shard's rows that were in the last block.
        hidden, shown: int64, the shard's rows that can no longer, and those that now can, be the next pick.
    """

    update: Update | None
    root: RootAt | None
    settled: Settled | None
    hidden: NDArray[np.int64]
    shown: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """One round's question.

    Attributes:
        held: int64, the shard's rows that the leader holds.
        size: how many rows to offer; those whose bounds reach `level` are offered beyond that.
        horizon: how far conflicts may fall while the bounds are to hold.
    """

    held: NDArray[np.int64]
    size: int
    level: float
    horizon: float


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredRows:
    """Rows as a shard stores them, float32 or float64 [m, d]; see `DividedRows`."""

    stored: NDArray[np.floating]
    divisors: NDArray[np.float64] | None
    factors: NDArray[np.float64] | None

    @property
    def read(self) -> NDArray[np.float64]:
        """The rows as they count."""
        if self.divisors is None:
            return self.stored.astype(np.float64)
        return DividedRows(self.stored, self.divisors, self.factors)[:]


@dataclass(frozen=True, kw_only=True, eq=False)
class Offer:
    """One round's answer.

    Attributes:
        rows, keys: the shard's best rows and bounds on their scores.
        new: numbers of those that the leader does not hold, with `features`.
        held_keys: bounds on the scores of the rows that the leader holds, in the order asked.
        out: no other open row scores more than this.
        refreshed, flops: work done on bounds so far.
    """

    rows: NDArray[np.int64]
    keys: NDArray[np.float64]
    new: NDArray[np.int64]
    features: StoredRows
    held_keys: NDArray[np.float64]
    out: float
    refreshed: int
    flops: float


@dataclass(frozen=True, kw_only=True)
class BestKnown:
    """The best score bound among the rows known exactly (−∞ if there are none), and the largest r of all."""

    best: float
    largest: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TieCall:
    """Evaluate, in float64, all rows whose bounds reach `level`; `total` is the sum of `root.picks` picked rows."""

    level: float
    root: RootAt
    total: NDArray[np.float64]
    noise: float


@dataclass(frozen=True, kw_only=True)
class Top:
    """The best score among evaluated rows (−∞ if there are none), and what a tie with it is relative to."""

    score: float
    size: float
    evaluated: int


@dataclass(frozen=True, kw_only=True)
class Tied:
    """The lowest evaluated row that reaches a score, with its gain and unweighted penalty."""

    row: int
    gain: float
    penalty: float


class ShardPort(Protocol):
    """What a leader needs of a shard, wherever it runs. Any method may raise `ShardLostError`."""

    def facts(self) -> ShardFacts:
        """What it holds."""
        ...

    def hashes(self) -> NDArray[np.uint64]:
        """See `row_hashes`."""
        ...

    def fingerprints(self, rows: NDArray[np.int64]) -> list[bytes]:
        """See `copies.fingerprints`."""
        ...

    def rows(self, rows: NDArray[np.int64]) -> StoredRows:
        """Some of its rows."""
        ...

    def squares(self) -> NDArray[np.float64]:
        """‖g‖² of each."""
        ...

    def gram(self, weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Σ w g gᵀ of all its rows, float64 [d, d]; w = 1 for None."""
        ...

    def weighted_sum(
        self, rows: NDArray[np.int64], weights: NDArray[np.float64], alpha: float, single: bool
    ) -> NDArray[np.float64]:
        """See `Passes`."""
        ...

    def image_squares(
        self, rows: NDArray[np.int64], inverse_root: NDArray[np.float64], alpha: float, single: bool
    ) -> NDArray[np.float64]:
        """See `Passes`."""
        ...

    def measure(self, inverse_root: NDArray[np.float64], alpha: float) -> float:
        """Bound α‖Bg‖² of all its rows by this B, for what is asked next; returns the largest bound."""
        ...

    def brackets(self) -> Forms:
        """These bounds, low and high, of all its rows."""
        ...

    def settle(self, rows: NDArray[np.int64]) -> Forms:
        """Those of some rows, brought together but for float64's own rounding."""
        ...

    def tally(self, edges: NDArray[np.float64], costs: NDArray[np.float64] | None, limit: float) -> Tally:
        """The high ones counted and summed; rows that cost more than the limit count as nothing."""
        ...

    def begin(self, terms: RunTerms) -> None:
        """Begin a run: nothing has been picked."""
        ...

    def stand(self, standing: Standing) -> None:
        """Go on from here; after `begin`."""
        ...

    def hear(self, news: News) -> None:
        """Take in what happened."""
        ...

    def look(self, news: News | None, look: Look) -> Offer:
        """One round: news, if there are any, and a question."""
        ...

    def known(self) -> BestKnown:
        """For a tie that no block holds."""
        ...

    def reaching(self, level: float) -> int:
        """How many open rows have bounds that reach the level."""
        ...

    def evaluate(self, call: TieCall) -> Top:
        """See `TieCall`."""
        ...

    def lowest(self, call: TieCall, score: float) -> Tied | None:
        """Of the rows that this call evaluated."""
        ...

    def seek(self, terms: "SoughtTerms") -> None:
        """Begin a run of a leader that foresees, where its picks stand."""
        ...

    def foresee(self, past: "Past", ahead: "Ahead") -> "Foretold":
        """One round: what came of the picks told before, and what to answer for now."""
        ...

    def alone(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """What some of its rows gain with nothing picked."""
        ...
