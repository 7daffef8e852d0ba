"""The leader: the picks, the float64 root, and the block that is picked from; see `partitioned`."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.selection.objectives.logdet import LogDet
from spice_select.selection.partitioned.checkpoint import LeaderCheckpoint, request_of
from spice_select.selection.partitioned.messages import (
    Look,
    News,
    Offer,
    RootAt,
    RunTerms,
    Settled,
    ShardPort,
    Standing,
    TieCall,
)
from spice_select.selection.partitioned.spread import SpreadFeatures
from spice_select.selection.partitioned.traffic import Traffic
from spice_select.selection.paths.blocked.block import Block
from spice_select.selection.paths.blocked.bounds import LEAST_KEPT, Update, scale_of, update_of
from spice_select.selection.paths.blocked.state import PickState
from spice_select.selection.paths.blocked.threads import single_threaded_blas
from spice_select.selection.paths.blocked.ties import NEAR
from spice_select.selection.paths.blocked.turning import Turning
from spice_select.selection.paths.blocked.whitened import EMPTY, WhitenedRows
from spice_select.selection.paths.ledger import TIE, Problem
from spice_select.selection.paths.twins import Twins
from spice_select.selection.penalties.conflict import Conflict
from spice_select.selection.result import Selection, Stats

_BLOCK = 1024  # rows in a block, unless another number is asked for
_LARGEST_TIE, _INITIAL_BLOCK = 2048, 128


class Leader:
    """Greedy by log det, with or without the conflict penalty, over rows on shards. Exact.

    Args:
        problem: the request, about `SpreadFeatures`.
        block: rows in a block: more make fewer rounds, and more of the leader's own work.
        checkpoint: a file to keep the run in, every `every` rounds; one that is there is gone on from. A run by score
            per cost has ``.per-cost`` after its name, so that the two runs of a cost budget do not share one.

    Memory beside a shard's: the block (its rows and their products, float64), L [d, d], a few bytes for each of all
    rows. Raises InputError for what the blocked path cannot do, and for a checkpoint of another request.
    """

    def __init__(
        self, problem: Problem, *, block: int | None = None, checkpoint: str | Path | None = None, every: int = 500
    ) -> None:
        features, objective, penalty = problem.features, problem.objective, problem.penalty
        if not isinstance(features, SpreadFeatures):
            raise TypeError("a leader picks from rows on shards")
        if type(objective) is not LogDet or not (problem.weight == 0 or type(penalty) is Conflict):
            raise InputError(
                f"{type(objective).__name__} with {type(penalty).__name__} over shards: from rows that no machine "
                "holds together only log det, alone or with the conflict penalty, and "
                "TargetVariance, DistinctVariance and TargetInformation, without one, are picked exactly. Give one of "
                "these."
            )
        block = min(_BLOCK if block is None else block, features.n)
        self._features, self._every, self._size = features, every, block
        self._path = None if checkpoint is None else Path(f"{checkpoint}{'.per-cost' if problem.per_cost else ''}")
        self._request = "" if self._path is None else request_of(problem, features)
        self.traffic = Traffic()
        self._state = PickState(problem, objective.alpha, size=block, usual=block)
        self._told = _Told(features, self._state.eta)
        self._state.bounds = self._told
        self._twins = Twins(features.twins, problem.constraints.costs)
        self._visible = self._twins.visible(self._state.ledger.allowed).copy()
        self._news: list[News | None] = [None] * len(features.shards)
        self._last: list[Offer] = []

    def selection(self) -> Selection:
        """Run to the end."""
        features, state = self._features, self._state
        with single_threaded_blas():
            self._begin()
            pool: WhitenedRows | None = None
            while not state.ledger.finished():
                pool = self._round(pool)
                if self._path is not None and self.traffic.rounds % self._every == 0:
                    LeaderCheckpoint.of(state, self._request).write(self._path)
            features.on_loss(None)
        stats = Stats(
            path="partitioned",
            evaluations=state.evaluations,
            refreshed=sum(offer.refreshed for offer in self._last),
            flops=sum(offer.flops for offer in self._last),
            rounds=self.traffic.rounds,
            rows_sent=self.traffic.rows_sent,
        )
        return state.ledger.selection(stats)

    def _begin(self) -> None:
        """Open the run on all shards, and take what is picked already: from the checkpoint, or what comes first."""
        state, problem = self._state, self._state.problem
        if self._path is not None and self._path.exists():
            LeaderCheckpoint.read(self._path).enter(state, self._request)
            self._visible = self._twins.visible(state.ledger.allowed).copy()
            self._told.picks = self._told.root_at = len(state.ledger.rows)
        self._features.on_loss(self._catch_up)
        numbers = range(len(self._features.shards))
        self._features.ask_all([partial(self._open, number) for number in numbers])
        rest = np.array(problem.initial[len(state.ledger.rows) :], dtype=np.int64)
        for i in range(0, len(rest), _INITIAL_BLOCK):
            some = rest[i : i + _INITIAL_BLOCK]
            Block(state, state.pool_of(some, None), -np.inf).take_all(some)
            self._tell()

    def _round(self, pool: WhitenedRows | None) -> WhitenedRows | None:
        """One look at all shards, and one block."""
        state = self._state
        pool, out, new = self._gather(pool, level=np.inf)
        block = Block(state, pool, out)
        rows = int(np.count_nonzero(pool.rows != EMPTY))
        picked = block.pick()
        going_on = state.ledger.stop is not None or state.adapt(rows, picked, block.turned)
        state.size = max(state.size, self._size)  # a round costs more than rows that were looked at in vain
        if going_on or new:
            return pool
        return self._settle_tie(pool)

    def _gather(self, pool: WhitenedRows | None, *, level: float) -> tuple[WhitenedRows, float, int]:
        """A block of the shards' best rows, a bound on every row outside, and how many of its rows are new."""
        state, features, shards = self._state, self._features, len(self._features.shards)
        held = np.zeros(0, dtype=np.int64) if pool is None else np.sort(pool.rows[pool.rows != EMPTY])
        share = state.size if shards == 1 else -(-3 * state.size // (2 * shards))
        offers = self._look(held, size=share, level=level)
        new = sum(len(offer.new) for offer in offers)
        rows = np.concatenate([offer.rows for offer in offers])
        # A pool of the same size from round to round keeps what it has whitened.
        pool = state.pool_of(rows, pool, share * shards)
        inside = pool.rows[pool.rows != EMPTY]
        features.forget(inside)
        known = np.concatenate([rows, held])
        keys = np.concatenate([*(offer.keys for offer in offers), *(offer.held_keys for offer in offers)])
        left = keys[~np.isin(known, inside)]
        return pool, max(float(left.max(initial=-np.inf)), *(offer.out for offer in offers)), new

    def _look(self, held: NDArray[np.int64], *, size: int, level: float) -> list[Offer]:
        """One round's question to all shards. The rows that come with the answers are remembered."""
        features, state = self._features, self._state
        self._collect()
        self.traffic.rounds += 1
        looks = []
        for number in range(len(features.shards)):
            own = held[features.part(number, held)]
            look = Look(held=own, size=size, level=level, horizon=state.horizon)
            looks.append(partial(self._look_at, number, look))
        offers: list[Offer] = features.ask_all(looks)
        self._news = [None] * len(offers)
        for offer in offers:
            features.remember(offer.new, offer.features)
            self.traffic.rows_sent += len(offer.new)
        self._last = offers
        return offers

    def _look_at(self, number: int, look: Look, shard: ShardPort) -> Offer:
        return shard.look(self._news[number], look)  # none for a shard that was opened since they were collected

    def _tell(self) -> None:
        """Tell all shards what the last block changed."""
        self._collect()
        numbers = range(len(self._features.shards))
        self._features.ask_all([partial(self._hear, number) for number in numbers])
        self._news = [None] * len(numbers)

    def _hear(self, number: int, shard: ShardPort) -> None:
        news = self._news[number]
        if news is not None:
            shard.hear(news)

    def _collect(self) -> None:
        """News for each shard: what blocks did since the last time, and which rows opened or closed."""
        told, features = self._told, self._features
        visible = self._twins.visible(self._state.ledger.allowed)
        hidden = np.flatnonzero(self._visible & ~visible)
        shown = np.flatnonzero(visible & ~self._visible)
        self._visible = visible.copy()
        root = RootAt(dense=self._root32(), picks=told.picks) if told.root_is_due() else None
        for number in range(len(features.shards)):
            self._news[number] = News(
                update=told.update,
                root=root,
                settled=None if told.settled is None else _own(told.settled, features.part(number, told.settled.rows)),
                hidden=hidden[features.part(number, hidden)],
                shown=shown[features.part(number, shown)],
            )
        told.clear(root is not None)

    def _root32(self) -> NDArray[np.float32]:
        return self._state.root.whole.astype(np.float32)

    def _catch_up(self, number: int) -> None:
        """Bring a shard that was just opened again to where the run stands."""
        self._open(number, self._features.shards[number])

    def _open(self, number: int, shard: ShardPort) -> None:
        features, state, told = self._features, self._state, self._told
        a, b = features.edges[number : number + 2].tolist()
        prices = state.problem.prices
        shard.begin(
            RunTerms(
                alpha=state.alpha,
                weight=state.problem.weight,
                eta=state.eta,
                scale=told.scale,
                prices=None if prices is None else prices[a:b],
                hidden=a + np.flatnonzero(~self._visible[a:b]),
            )
        )
        self._news[number] = None
        if told.picks:
            mean = state.total / told.picks
            shard.stand(Standing(root=RootAt(dense=self._root32(), picks=told.picks), mean=mean))

    def _settle_tie(self, pool: WhitenedRows | None) -> WhitenedRows | None:
        """No pick: some row outside may be as good as the best inside, and all that may be must be looked at.

        In a block where they fit in one; else all shards evaluate theirs for one pick.
        """
        state, features = self._state, self._features
        numbers = range(len(features.shards))
        self._tell()
        known = features.ask_all([lambda shard: shard.known() for _ in numbers])
        largest = float(np.log1p(state.alpha * max(one.largest for one in known)))
        level = max(one.best for one in known) - NEAR * (largest + state.problem.weight)
        if sum(features.ask_all([lambda shard: shard.reaching(level) for _ in numbers])) <= _LARGEST_TIE:
            pool, out, _ = self._gather(pool, level=level)
            Block(state, pool, out).pick()
            return pool
        root = RootAt(dense=state.root.whole, picks=len(state.ledger.rows))
        call = TieCall(level=level, root=root, total=state.total, noise=state.root.noise)
        tops = features.ask_all([lambda shard: shard.evaluate(call) for _ in numbers])
        state.evaluations += sum(top.evaluated for top in tops)
        best = max(tops, key=lambda top: top.score)
        score = best.score - TIE * best.size
        lowest = next(tied for i in numbers if (tied := features.ask(i, lambda shard: shard.lowest(call, score))))
        if not state.ledger.refuses(lowest.gain, lowest.penalty):
            row = np.array([lowest.row])
            Block(state, state.pool_of(row, None), -np.inf).take_all(row)
        return None


class _Told:
    """What blocks tell of their picks, kept until the shards are told."""

    def __init__(self, features: SpreadFeatures, eta: float | None) -> None:
        facts = features.facts
        self.longest = max(one.longest for one in facts)
        self.scale = scale_of(max(one.peak for one in facts))
        self._matrix_scale = 1.0 if facts[0].wide else self.scale
        self._turning = Turning(d=features.d, eta=eta, shortest=min(one.shortest for one in facts))
        self._behind = max(LEAST_KEPT, features.d) // 2
        self.picks, self.root_at = 0, 0
        self.update: Update | None = None
        self.settled: Settled | None = None

    def advance(self, U: NDArray[np.float64], mean: NDArray[np.float64]) -> None:
        """A block of picks took UᵀU from the inverse."""
        self.update = update_of(U, mean, self._matrix_scale)
        self.picks += len(U)

    def settle(
        self, rows: NDArray[np.int64], r: NDArray[np.float64], noise: float, cosine: NDArray[np.float64] | None
    ) -> None:
        """What float64 found for the rows of a block."""
        self.settled = Settled(rows=rows, r=r, noise=noise, cosines=cosine)

    def drift(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
        """See `Turning.most`."""
        return self._turning.most(before, after)

    def root_is_due(self) -> bool:
        """Whether shards must know L again: they forget updates before long."""
        return self.picks - self.root_at >= self._behind

    def clear(self, rooted: bool) -> None:
        """All shards are being told."""
        self.update = self.settled = None
        if rooted:
            self.root_at = self.picks


def _own(settled: Settled, here: NDArray[np.bool_]) -> Settled:
    cosines = None if settled.cosines is None else settled.cosines[here]
    return Settled(rows=settled.rows[here], r=settled.r[here], noise=settled.noise, cosines=cosines)
