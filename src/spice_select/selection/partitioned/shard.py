"""Some of the rows, and a stale bound on each: what the leader asks, round by round."""

import math
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.copies import fingerprints, row_hashes
from spice_select.numerics.divided import DividedRows
from spice_select.numerics.features import read
from spice_select.selection.partitioned.foretelling import Ahead, Foretold, Past, SoughtTerms
from spice_select.selection.partitioned.foretold import SoughtRows
from spice_select.selection.partitioned.messages import (
    BestKnown,
    Look,
    News,
    Offer,
    RunTerms,
    ShardFacts,
    Standing,
    StoredRows,
    TieCall,
    Tied,
    Top,
)
from spice_select.selection.partitioned.passes import ShardPasses
from spice_select.selection.paths.blocked.bounds import Bounds
from spice_select.selection.paths.blocked.contenders import Leading
from spice_select.selection.paths.blocked.keys import Keys
from spice_select.selection.paths.blocked.state import home_of
from spice_select.selection.paths.blocked.threads import single_threaded_blas
from spice_select.selection.paths.blocked.ties import evaluate
from spice_select.selection.penalties.conflict import hinge_of_products


class Shard(ShardPasses):
    """Rows `first` … `first` + n − 1 of a corpus. All of its state follows from these and what it is told.

    Memory beyond the rows: some 50 bytes a row, the updates of the last 2·max(d, 2048) picks, and d² float32 twice.
    """

    bounds: Bounds
    scores: Keys

    def __init__(self, features: Any, first: int) -> None:
        super().__init__(read(features), first)
        self._terms: RunTerms | None = None
        self._evaluated: _Evaluated | None = None
        self._sought: SoughtRows | None = None

    @classmethod
    def of_file(cls, path: str | Path, rows: tuple[int, int]) -> "Shard":
        """The rows `rows` (from, to) of a .npy of float32 or float64, which stays on disk."""
        whole = np.load(path, mmap_mode="r", allow_pickle=False)
        return cls(whole[rows[0] : rows[1]], rows[0])

    def facts(self) -> ShardFacts:
        """What it holds."""
        features, lengths = self._features, np.sqrt(self._features.squares)
        return ShardFacts(
            rows=features.n,
            d=features.d,
            wide=features.source.dtype == np.float64,
            peak=features.peak,
            longest=float(lengths.max(initial=0.0)),
            shortest=float(np.where(lengths > 0, lengths, np.inf).min()),
        )

    def hashes(self) -> NDArray[np.uint64]:
        """See `row_hashes`. One pass."""
        return row_hashes(self._features.array)

    def fingerprints(self, rows: NDArray[np.int64]) -> list[bytes]:
        """A digest of each of the rows."""
        return fingerprints(self._features.array, rows - self._first)

    def rows(self, rows: NDArray[np.int64]) -> StoredRows:
        """Some of its rows, as they are stored."""
        array, at = self._features.array, rows - self._first
        if not isinstance(array, DividedRows):
            return StoredRows(stored=np.asarray(array[at]), divisors=None, factors=None)
        part = array.take(at)
        return StoredRows(stored=np.asarray(part.source), divisors=part.divisors, factors=part.factors)

    def begin(self, terms: RunTerms) -> None:
        """Begin a run: nothing has been picked, and every bound is a row's own square."""
        features = self._features
        self._terms, self._horizon, self._evaluated = terms, 0.0, None
        self.bounds = home_of(features)(features, eta=terms.eta, scale=terms.scale)
        self.scores = Keys(self.bounds, alpha=terms.alpha, weight=terms.weight, prices=terms.prices)
        self._open = np.ones(features.n, dtype=bool)
        self._open[terms.hidden - self._first] = False
        self._leading = Leading(self)

    def stand(self, standing: Standing) -> None:
        """Go on from here: bounds stay the rows' squares until the root says better."""
        self.bounds.begin_at(standing.root.picks, standing.mean)
        self.bounds.take_root(standing.root.dense, standing.root.picks)

    def look(self, news: News | None, look: Look) -> Offer:
        """Bring the best rows' bounds up to date and offer them.

        Cost: see `Bounds.refresh`, for the stale rows that are looked at; O(n) beside that.
        """
        if news is not None:
            self.hear(news)
        self._horizon = look.horizon
        with single_threaded_blas():
            best, keys = self._leading.contenders(look.size)
        above = np.flatnonzero(keys >= look.level)
        offered = np.union1d(best, above) if len(above) else best
        held = look.held - self._first
        new = np.setdiff1d(offered, held)
        offered_keys, held_keys = keys[offered], keys[held]
        keys[offered] = keys[held] = -np.inf
        return Offer(
            rows=offered + self._first,
            keys=offered_keys,
            new=new + self._first,
            features=self.rows(new + self._first),
            held_keys=held_keys,
            out=float(keys.max()),
            refreshed=self.bounds.refreshed,
            flops=self.bounds.flops,
        )

    def hear(self, news: News) -> None:
        """Take in what the last block changed."""
        bounds, first = self.bounds, self._first
        self._evaluated = None
        if news.update is not None:
            bounds.take(news.update)
        if news.root is not None:
            bounds.take_root(news.root.dense, news.root.picks)
        if news.settled is not None:
            found = news.settled
            bounds.settle(found.rows - first, found.r, found.noise, found.cosines)
        self._open[news.hidden - first] = False
        self._open[news.shown - first] = True

    def seek(self, terms: SoughtTerms) -> None:
        """Begin a run of a leader that foresees. Cost: that of `Reaches`, twice where rows are picked already."""
        self._sought = SoughtRows(self._features.array, self._first, terms)

    def foresee(self, past: Past, ahead: Ahead) -> Foretold:
        """One round; see `SoughtRows`."""
        found = self._in_search.foresee(past, ahead)
        leading = found.leading + self._first
        new = np.setdiff1d(np.concatenate([leading, *(climb.rows for climb in found.best)]), ahead.held)
        return Foretold(best=found.best, leading=leading, new=new, features=self.rows(new), evaluated=found.evaluated)

    def alone(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """What rows gain with nothing picked."""
        return self._in_search.alone[rows - self._first]

    @property
    def _in_search(self) -> SoughtRows:
        if self._sought is None:
            raise RuntimeError("no run has begun")
        return self._sought

    def open_keys(self) -> NDArray[np.float64]:
        """Upper bounds on the scores of all rows, −∞ for those that cannot be the next pick."""
        return self._open_keys(self._horizon)

    def keys(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Those of some rows, counted from the shard's first."""
        return self.scores.of(rows, self._horizon)

    def _open_keys(self, fall: float) -> NDArray[np.float64]:
        keys = self.scores.of(slice(None), fall)
        keys[~self._open] = -np.inf
        return keys

    def known(self) -> BestKnown:
        """The best of the rows known exactly."""
        keys, bounds = self._open_keys(0.0), self.bounds
        return BestKnown(
            best=float(keys[bounds.exact == bounds.now].max(initial=-np.inf)), largest=float(bounds.r.max(initial=0.0))
        )

    def reaching(self, level: float) -> int:
        """How many rows may be as good."""
        return int(np.count_nonzero(self._open_keys(0.0) >= level))

    def evaluate(self, call: TieCall) -> Top:
        """Evaluate the rows that reach a level, and keep what was found for `lowest`. 2d² float64 flops a row."""
        rows = np.flatnonzero(self._open_keys(0.0) >= call.level)
        whiten = _Dense(call.root.dense)
        r, dots = evaluate(self._features.rows, whiten, call.total, rows)
        lengths, length = np.sqrt(self._features.squares[rows]), math.sqrt(call.total @ call.total)
        sizes = lengths * length
        cosines = np.divide(dots, sizes, out=np.zeros(len(rows)), where=sizes > 0)
        self.bounds.settle(rows, r * (1 + 1e-12), call.noise, cosines)
        gains, penalties = np.log1p(self.scores.alpha * r), self._penalties(dots, lengths, length, call.root.picks)
        self._evaluated = _Evaluated(rows, gains, penalties)
        if not len(rows):
            return Top(score=-np.inf, size=0.0, evaluated=0)
        scores, tolerances = self._scored(self._evaluated)
        at = int(np.argmax(scores))
        return Top(score=float(scores[at]), size=float(tolerances[at]), evaluated=len(rows))

    def _penalties(
        self, dots: NDArray[np.float64], lengths: NDArray[np.float64], length: float, picks: int
    ) -> NDArray[np.float64]:
        terms = self._terms
        if terms is None or terms.eta is None or not picks:
            return np.zeros(len(dots))
        return hinge_of_products(dots, lengths, length, picks, terms.eta)

    def _scored(self, found: "_Evaluated") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores of the evaluated rows, and what their ties are relative to: as `best_of` has it."""
        terms = self._terms
        weighted = (0.0 if terms is None else terms.weight) * found.penalties
        divisors = 1.0 if terms is None or terms.prices is None else terms.prices[found.rows]
        return (found.gains - weighted) / divisors, (found.gains + weighted) / divisors

    def lowest(self, call: TieCall, score: float) -> Tied | None:
        """The lowest of the rows that this call evaluated that reach a score."""
        if self._evaluated is None:  # the shard that did was lost
            self.evaluate(call)
        found = cast(_Evaluated, self._evaluated)
        tied = np.flatnonzero(self._scored(found)[0] >= score)
        if not len(tied):
            return None
        at = int(tied[0])
        row, gain, penalty = int(found.rows[at]), float(found.gains[at]), float(found.penalties[at])
        return Tied(row=row + self._first, gain=gain, penalty=penalty)


class _Evaluated(NamedTuple):
    """Rows counted from the shard's first, with what float64 found."""

    rows: NDArray[np.int64]
    gains: NDArray[np.float64]
    penalties: NDArray[np.float64]


class _Dense:
    """Whitening by an L that was sent."""

    def __init__(self, dense: NDArray[np.floating]) -> None:
        self._dense = dense.astype(np.float64, copy=False)

    def __call__(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return X @ self._dense
