"""Rows that lie on shards, as the leader sees them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError
from spice_select.numerics.copies import copies, sharing
from spice_select.numerics.divided import ReadByRows
from spice_select.numerics.features import Features
from spice_select.selection.partitioned.messages import ShardLostError, ShardPort, StoredRows


class SpreadFeatures(Features):
    """The rows of some shards, one after another; `greedy` takes these, and picks by a `Leader`.

    Args:
        open_shard: opens the shard of a number: at the start, and again where one is lost.
        shards: how many there are; shard i + 1 begins where shard i ends.
        at_once: whether all are asked at the same time, each by a thread that waits for it: where they run elsewhere.

    Attributes:
        facts: what each shard holds.
        edges: the first row of each shard, and the number of all rows.
        lost: how often a shard was opened again.

    Raises:
        InputError: shards of different widths or number types.
    """

    def __init__(self, open_shard: Callable[[int], ShardPort], shards: int, *, at_once: bool = False) -> None:
        self._open_shard, self._at_once = open_shard, at_once
        self.lost = 0
        self._reopened: Callable[[int], None] | None = None
        self.shards: list[ShardPort] = [open_shard(number) for number in range(shards)]
        self.facts = self.ask_all([lambda shard: shard.facts() for _ in range(shards)])
        kinds = sorted({(facts.d, facts.wide) for facts in self.facts})
        if len(kinds) != 1:
            raise InputError(
                f"shards of (numbers a row, float64 or not) {kinds}: all must hold rows of one kind. Write them anew "
                "with the same sketch and number type."
            )
        self.edges = np.cumsum([0, *(facts.rows for facts in self.facts)])
        self.n, self.d = int(self.edges[-1]), self.facts[0].d
        self.array = SpreadRows(self)
        self._near: dict[int, NDArray[np.float64]] = {}

    def on_loss(self, tell: Callable[[int], None] | None) -> None:
        """Call `tell` with the number of a shard that was opened again, before it is asked anything."""
        self._reopened = tell

    def ask(self, number: int, question: Callable[[ShardPort], Any]) -> Any:
        """The answer of a shard; one that is lost is opened again, once a question."""
        try:
            return question(self.shards[number])
        except ShardLostError:
            self.lost += 1
            self.shards[number] = self._open_shard(number)
            if self._reopened is not None:
                self._reopened(number)
            return question(self.shards[number])

    def ask_all(self, questions: Sequence[Callable[[ShardPort], Any]]) -> list[Any]:
        """The answers of all shards, a question each."""
        numbers = range(len(questions))
        if not self._at_once:
            return [self.ask(number, questions[number]) for number in numbers]
        with ThreadPoolExecutor(max_workers=len(numbers)) as waiting:
            return list(waiting.map(self.ask, numbers, questions))

    @property
    def near(self) -> NDArray[np.int64]:
        """The rows at hand, ascending."""
        return np.array(sorted(self._near), dtype=np.int64)

    def part(self, number: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the rows lie on a shard."""
        return np.asarray((rows >= self.edges[number]) & (rows < self.edges[number + 1]))

    def remember(self, rows: NDArray[np.int64], found: StoredRows) -> None:
        """Keep rows that came with an offer, until `forget`."""
        self._near |= dict(zip(rows.tolist(), found.read, strict=True))

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Keep these rows alone."""
        self._near = {row: self._near[row] for row in rows.tolist() if row in self._near}

    def rows(self, rows: NDArray[np.int64] | list[int]) -> NDArray[np.float64]:
        """The given rows as float64 [m, d]: those at hand, the others from their shards."""
        wanted = np.asarray(rows, dtype=np.int64)
        out = np.empty((len(wanted), self.d))
        near = np.array([row in self._near for row in wanted.tolist()], dtype=bool)
        for at in np.flatnonzero(near).tolist():
            out[at] = self._near[int(wanted[at])]
        for number in range(len(self.shards)):
            here = np.flatnonzero(self.part(number, wanted) & ~near)
            if len(here):
                out[here] = self.ask(number, _Rows(wanted[here])).read
        return out

    def take(self, rows: NDArray[np.int64]) -> Features:
        """Some of the rows, fetched."""
        return Features(self.rows(rows))

    @cached_property
    def squares(self) -> NDArray[np.float64]:  # type: ignore[override]
        """‖g‖² of each row: 8 bytes a row travel."""
        return np.concatenate(self.ask_all([lambda shard: shard.squares() for _ in self.shards]))

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """Of each row, `row_hashes`: 8 bytes a row travel."""
        return np.concatenate(self.ask_all([lambda shard: shard.hashes() for _ in self.shards]))

    @cached_property
    def twins(self) -> dict[int, NDArray[np.int64]]:
        """See `Features.twins`: 8 bytes a row travel, and 16 for each that may have a twin."""
        suspects, prints = np.flatnonzero(sharing(self.hashes)), list[bytes]()
        for number in range(len(self.shards)):
            asked = suspects[self.part(number, suspects)]
            prints += self.ask(number, _Prints(asked))
        return copies(suspects.tolist(), prints)


@dataclass(frozen=True, eq=False)
class _Rows:
    rows: NDArray[np.int64]

    def __call__(self, shard: ShardPort) -> StoredRows:
        return shard.rows(self.rows)


@dataclass(frozen=True, eq=False)
class _Prints:
    rows: NDArray[np.int64]

    def __call__(self, shard: ShardPort) -> list[bytes]:
        return shard.fingerprints(self.rows)


class SpreadRows(ReadByRows):
    """The matrix of them."""

    def __init__(self, features: SpreadFeatures) -> None:
        self.features, self.shape = features, (features.n, features.d)

    def __getitem__(self, key: Any) -> NDArray[np.float64]:
        return self.features.rows(np.arange(self.shape[0])[key])

    def gram_apart(self, weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """The sum of the shards' own."""
        own = [None if weights is None else weights[a:b] for a, b in pairwise(self.features.edges.tolist())]
        return np.asarray(sum(self.features.ask_all([partial(_gram, part) for part in own])))


def _gram(weights: NDArray[np.float64] | None, shard: ShardPort) -> NDArray[np.float64]:
    return shard.gram(weights)


def evenly(n: int, shards: int) -> list[tuple[int, int]]:
    """The rows (from, to) of each of so many shards, none empty. Raises InputError for more shards than rows."""
    if not 1 <= shards <= n:
        raise InputError(f"{shards} shards for {n} rows: there must be one at least, and a row in each.")
    return list(pairwise((n * np.arange(shards + 1) // shards).tolist()))
