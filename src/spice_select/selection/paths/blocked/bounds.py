"""Stale float32 bounds on every row's gain and conflict, and their refresh by tiled matrix products."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spice_select.numerics.features import Features
from spice_select.numerics.rounding import UNIT32, gamma, gammas
from spice_select.selection.paths.blocked.root import InverseRoot
from spice_select.selection.paths.blocked.turning import Turning

UNDERFLOW = 2.0**-148  # what gradual underflow may add to a product of float32 numbers, or take from it
ULP = 4 * float(np.finfo(np.float64).eps)  # more than the few float64 steps that lower a bound can take from it
_TILE_ROWS = 1024
_DENSE = 1.3  # rows whose span is at most this many times their number are used in place, without a copy
_FREE_FLOPS = 2e6  # about what a tile's overhead costs
_WASTE = 0.25  # how much of a tile's work may fall on picks that some of its rows have seen already
TILE_DEPTH = 256  # inner products are summed in stretches of this length, which is what the error bound pays for
_STAGE_PICKS = 128  # a bound is lowered by about this many picks before it is asked again whether it still matters
_FAR = 1.5  # rows that more than this many times d picks have passed by are refreshed from the root itself
_ROOT_PICKS = 64  # getting the root ready for that costs about as much as the products of d rows with so many picks
LEAST_KEPT = 2048  # the updates of so many picks are kept, or of d where that is more: a row that is further behind is
# refreshed from the root
_ANCHORS = 256  # unit means that cosines are known with: a row whose own is dropped has its cosine moved to the present


@dataclass(frozen=True, kw_only=True, eq=False)
class Update:
    """What a block of m picks changed, as bounds have to know it: small and plain, so that it can travel.

    Attributes:
        taken: float32 [m, d], U with LLᵀ − L'L'ᵀ = UᵀU, divided by `Bounds.matrix_scale`.
        masses: float64 [m], ‖u‖² of its rows.
        mean: float64 [d], the mean gradient of all picks now.
    """

    taken: NDArray[np.float32]
    masses: NDArray[np.float64]
    mean: NDArray[np.float64]


class Bounds:
    """For each row: an upper bound on r = ‖xL‖², and a lower bound on its conflict, both as of some earlier pick.

    A row's bound on r falls by what the picks since then take from it; the proof that float32 does not make it too
    small is in docs/selection.md. `reached` counts the picks that a row's bound has seen.
    """

    tile_rows = _TILE_ROWS
    stage_picks = _STAGE_PICKS
    depth = TILE_DEPTH
    grain = 1  # products are taken with this many picks at a time; a refresh that can stop at a multiple does

    def __init__(
        self, features: Features, *, eta: float | None, root: InverseRoot | None = None, scale: float | None = None
    ) -> None:
        n, d = features.n, features.d
        self._d = d
        self._root, self._root_at, self._root_length = root, -1, 0.0
        self._scale = scale_of(features.peak) if scale is None else scale
        self.matrix_scale = self._place(features)
        self._ratios = features.ratios
        self._lengths = np.sqrt(features.squares)
        self.longest = float(self._lengths.max(initial=0.0))
        self.turning = Turning(d=d, eta=eta, shortest=float(np.where(self._lengths > 0, self._lengths, np.inf).min()))
        # Roundings on the way of one term x_c·u_c to the sum: two conversions, a product, the additions of its stretch,
        # those of the stretches; and one to spare.
        self._gamma = gamma(min(d, self.depth) + -(-d // self.depth) + 3, UNIT32)
        self._tiny = 2 * d * UNDERFLOW  # gradual underflow takes an absolute amount, which no relative bound covers
        # Before the first pick r = ‖x‖², whose sum may have come out too small by d roundings: less than is added here.
        self.r = features.squares * (1.0 + 4 * d * np.finfo(np.float64).eps)
        self.reached = np.zeros(n, dtype=np.int32)
        self.exact = np.full(n, -1, dtype=np.int32)  # how many picks there were when float64 last found the row's r
        self._first = 0  # how many of the oldest picks' updates are dropped; a multiple of the grain
        self._mass = np.zeros(1)  # Σ‖u‖² up to that pick and each one after it
        self._eta = eta
        self._cosine = np.zeros(n) if eta is not None else None
        self._means = np.zeros((1, d))  # the unit mean gradients that cosines are known with, the present one last
        self._seen = np.zeros(n if eta is not None else 1, dtype=np.int16)  # which of them each row's cosine is with
        self._moved = np.full(1, 2.0)  # at most how far each of them lies from the present one
        self._mean_length = 0.0
        self.refreshed, self.flops = 0, 0.0

    def _place(self, features: Features) -> float:
        """Put features and updates where products are taken; returns what updates must be divided by."""
        self._matrix, scale = single_rows(features, self._scale)
        self._updates = np.zeros((256, features.d), dtype=np.float32)
        self._room = np.empty((0, features.d), dtype=np.float32)  # working memory for a tile's rows and their products
        self._products_room = np.empty((2, 0), dtype=np.float32)
        return scale

    def _keep(self, taken: NDArray[np.float32], start: int) -> None:
        """Store updates [m, d] at the places `start`, `start` + 1, …"""
        while start + len(taken) > len(self._updates):
            self._updates = np.concatenate([self._updates, np.zeros_like(self._updates)])
        self._updates[start : start + len(taken)] = taken

    def _drop(self, count: int) -> None:
        """Forget the oldest `count` updates."""
        self._updates[:-count] = self._updates[count:].copy()

    @property
    def now(self) -> int:
        """How many picks there are."""
        return self._first + len(self._mass) - 1

    @property
    def knows_conflicts(self) -> bool:
        """Whether it was asked for conflicts."""
        return self._cosine is not None

    @property
    def kept(self) -> int:
        """For how many picks back updates are sure to be there."""
        return max(LEAST_KEPT, self._d)

    def advance(self, U: NDArray[np.float64], mean: NDArray[np.float64]) -> None:
        """A block of picks took UᵀU from the inverse, U [m, d], and the picks' mean gradient is now `mean`."""
        self.take(update_of(U, mean, self.matrix_scale))

    def take(self, update: Update) -> None:
        """Know of another block of picks."""
        surplus = self.now - self._first - self.kept
        if surplus + len(update.taken) > self.kept and surplus >= self.grain:
            surplus -= surplus % self.grain
            self._drop(surplus)
            self._first, self._mass = self._first + surplus, self._mass[surplus:]
        self._keep(update.taken, self.now - self._first)
        self._mass = np.append(self._mass, self._mass[-1] + np.cumsum(update.masses))
        self._mean_length = float(np.sqrt(update.mean @ update.mean))
        if self._cosine is not None:
            self._advance_mean(update.mean)

    def begin_at(self, picks: int, mean: NDArray[np.float64]) -> None:
        """Stand after so many picks, none of whose updates is known: rows are refreshed from the root first."""
        self._first = picks
        self._mean_length = float(np.sqrt(mean @ mean))
        if self._cosine is not None and picks:
            self._advance_mean(mean)

    def take_root(self, dense: NDArray[np.floating], at: int) -> None:
        """Know L [d, d] as it was after pick `at`: what rows that are further behind are refreshed from."""
        self._root32 = (dense * (1.0 / self.matrix_scale)).astype(np.float32)
        # A norm of numbers rounded to float32 is off by a unit, relatively; its square sums d² of them.
        self._root_length = float(np.linalg.norm(dense.astype(np.float64, copy=False))) * (1 + 1e-6)
        self._root_at = at

    def _advance_mean(self, mean: NDArray[np.float64]) -> None:
        present = mean / self._mean_length if self._mean_length > 0 else np.zeros_like(mean)
        self._unit_mean = present.astype(np.float32)
        self._means = np.concatenate([self._means, present[None]])
        cosines = self._means @ present
        # The distance of two unit vectors is √(2 − 2cos); `blur` is what rounding can have taken from below the root,
        # γ what it can have added to a cosine in float32. No cosine moves by more than that distance (Cauchy–Schwarz).
        self._moved = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosines) + self.turning.blur) + self._gamma
        self._moved[~self._means.any(axis=1)] = 2.0  # no mean, so nothing is known of its angle: the most there can be
        if len(self._means) > _ANCHORS:
            self._drop_anchors(_ANCHORS // 2)

    def _drop_anchors(self, count: int) -> None:
        """Forget the `count` oldest means: a cosine with one of them becomes an upper bound on that with the present.

        Where the present mean has no length nothing is known of a cosine; then none is moved (`_moved` says 2).
        """
        if self._cosine is None:
            return
        old = np.flatnonzero(self._seen < count)
        self._cosine[old] = np.minimum(1.0, self._cosine[old] + self._moved[self._seen[old]])
        self._seen[old] = len(self._means) - 1
        self._seen -= count
        self._means, self._moved = self._means[count:], self._moved[count:]

    def conflicts(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float64] | float:
        """A lower bound on the present conflict: the cosine moved by at most the distance of the unit means."""
        if self._cosine is None or self._eta is None or self._mean_length == 0 or self.now == 0:
            return 0.0
        size = self._lengths[rows] * self._mean_length
        # −cos·size/(size + η): the second factor is known exactly, the first only gets smaller by what may have moved.
        return np.maximum(0.0, -self._cosine[rows] - self._moved[self._seen[rows]]) * (size / (size + self._eta))

    def drift(self, before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
        """The most any row's conflict can have changed while the mean gradient went from `before` to `after`."""
        return self.turning.most(before, after)

    def settle(
        self, rows: NDArray[np.int64], r: NDArray[np.float64], noise: float, cosine: NDArray[np.float64] | None
    ) -> None:
        """Enter what float64 found for `rows` after the picks so far; √r is right to `noise` times a row's length."""
        # Whitening errs by up to `noise` of a row's length in ‖xL‖ = √r, so that is where it is added.
        self.r[rows] = (np.sqrt(r) + noise * self._lengths[rows]) ** 2
        self.reached[rows] = self.exact[rows] = self.now
        if self._cosine is not None and cosine is not None:
            self._cosine[rows], self._seen[rows] = cosine, len(self._means) - 1

    def refresh(self, rows: NDArray[np.int64], floor: NDArray[np.float64] | float = -np.inf) -> None:
        """Bring the stale ones of `rows` up to the present: 2·(pending picks)·d flops each, in float32.

        A row whose bound falls below `floor` (one number, or one for each row of the matrix) on the way is left with
        the picks it has seen. That is safe: its bound is true for those picks, and so for all, as r never grows.
        """
        stale = rows[self.reached[rows] < self.now]
        far = self._far(stale)
        if len(far):
            self._refresh_directly(np.sort(far))
            stale = stale[self.reached[stale] < self.now]
        if len(stale):
            self._refresh_in_stages(stale, floor)

    def _refresh_in_stages(self, stale: NDArray[np.int64], floor: NDArray[np.float64] | float) -> None:
        while len(stale):
            stage = self._stage(int(self.reached[stale].min()))
            self._refresh_to(stage, stale[self.reached[stale] < stage])
            stale = stale[self.reached[stale] < self.now]
            stale = stale[self.r[stale] >= (floor[stale] if isinstance(floor, np.ndarray) else floor)]

    def _far(self, stale: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows that so many picks have passed by that L is the shorter way, or the only one: some updates are gone.

        None if too few to get L ready for.
        """
        at = self.now if self._root is not None else self._root_at
        pending = at - self.reached[stale]
        lost, far = self.reached[stale] < self._first, pending > _FAR * self._d
        excess = float((pending[far] - self._d).sum())
        return stale[lost | far] if lost.any() or excess > _ROOT_PICKS * self._d else stale[:0]

    def _stage(self, oldest: int) -> int:
        """Up to which pick to refresh rows that have seen `oldest`; the last stage may be half as long again."""
        end = oldest + self.stage_picks
        if self.now <= end + self.stage_picks // 2:
            end = self.now
        whole = end - end % self.grain
        return whole if whole > oldest else end

    def _refresh_to(self, stage: int, rows: NDArray[np.int64]) -> None:
        rows, seen = self._oldest_first(rows)
        pending = stage - seen
        for a, b in cut_into_tiles(pending, _FREE_FLOPS / self._d, self.tile_rows):
            self._refresh_tile(rows[a:b], pending[a:b], stage)

    def _oldest_first(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows by the picks they have seen, then by number, and how many each has seen."""
        order = np.sort(self.reached[rows].astype(np.int64) * len(self.r) + rows)
        return order % len(self.r), order // len(self.r)

    def _refresh_directly(self, rows: NDArray[np.int64]) -> None:
        """Refresh rows that more than d picks have passed by from L itself: 2d² flops each."""
        for i in range(0, len(rows), self.tile_rows):
            part = rows[i : i + self.tile_rows]
            X, at = self._gather(part)
            W = self._products(X, self._single_root().T)
            W = W if at is None else W[at]
            self._settle_directly(part, np.einsum("ij,ij->i", W, W).astype(np.float64), W.shape[1])
            self._enter_cosines(part, self._mean_products(X, at))

    def _settle_directly(self, rows: NDArray[np.int64], squares: NDArray[np.float64], terms: int) -> None:
        """Enter ‖xL‖², found in float32 as `squares`, as the bounds of these rows."""
        # ‖xL − computed‖ ≤ γ‖x‖‖L‖_F + underflow, so the true length is at most what was found and that.
        unit = self._unit(rows)
        reach = self._gamma * self._lengths[rows] / unit * self._root_length + np.sqrt(terms) * self._tiny
        found = np.sqrt(squares * (1 + gamma(terms + 2, UNIT32)) + terms * UNDERFLOW) + reach
        self.r[rows] = np.minimum(self.r[rows], (found * unit) ** 2 * (1 + 2 * ULP))
        self.reached[rows] = self._root_at
        self.refreshed += len(rows)
        self.flops += 2.0 * len(rows) * self._d * terms

    def _single_root(self) -> NDArray[np.float32]:
        """L [d, d] in float32, scaled like the updates: the present one, or the last that was told."""
        if self._root is not None and self._root_at != self.now:
            dense = self._root.dense
            if dense is None:
                raise RuntimeError("more picks than dimensions have passed, but the root is not dense")
            self.take_root(dense, self.now)
        return self._root32

    def _unit(self, rows: NDArray[np.int64]) -> NDArray[np.float64] | float:
        """What a product that float32 found is one of: the scale of the matrix, for rows stored as they count."""
        return self._scale if self._ratios is None else self._scale / self._ratios[rows]

    def _refresh_tile(self, rows: NDArray[np.int64], pending: NDArray[np.int64], stage: int) -> None:
        """Bring rows, the longest pending first, up to the pick `stage`."""
        taken, dots = self._measure(rows, pending, stage)
        end = stage - self._first
        mass = self._mass[end] - self._mass[end - pending]
        self._lower(rows, taken, mass, pending)
        self._enter_cosines(rows, dots)
        self.reached[rows] = stage
        self.refreshed += len(rows)
        self.flops += 2.0 * self._d * float(pending.sum())

    def _measure(
        self, rows: NDArray[np.int64], pending: NDArray[np.int64], end: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """In float32: Σw̃² of each row over its pending picks before `end`, and its product with the unit mean."""
        X, at = self._gather(rows)
        most, end = int(pending[0]), end - self._first
        W = self._products(X, self._updates[end - most : end])
        W = W if at is None else W[at]
        edges = [0, *(np.flatnonzero(np.diff(pending)) + 1).tolist(), len(rows)]
        for a, b in pairwise(edges[1:]):
            W[a:b, : most - int(pending[a])] = 0.0  # picks that these rows' bounds have seen: not to be taken off twice
        taken = np.einsum("ij,ij->i", W, W).astype(np.float64)
        return taken, self._mean_products(X, at)

    def _mean_products(self, X: NDArray[np.float32], at: NDArray[np.int64] | None) -> NDArray[np.float64] | None:
        if self._cosine is None:
            return None
        dots = (X @ self._unit_mean).astype(np.float64)
        return dots if at is None else dots[at]

    def _enter_cosines(self, rows: NDArray[np.int64], dots: NDArray[np.float64] | None) -> None:
        if self._cosine is not None and dots is not None:
            dots = dots * (self._unit(rows) / self.matrix_scale)
            self._cosine[rows] = dots / np.where(self._lengths[rows] > 0, self._lengths[rows], 1.0)
            self._seen[rows] = len(self._means) - 1

    def _gather(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
        """The rows as float32: a slice with their positions in it where they lie close together, else a copy."""
        low, high = int(rows.min()), int(rows.max()) + 1
        if high - low <= _DENSE * len(rows):
            return self._matrix[low:high], rows - low
        if len(rows) > len(self._room):
            self._room = np.empty((len(rows), self._matrix.shape[1]), dtype=np.float32)
        return np.take(self._matrix, rows, axis=0, mode="clip", out=self._room[: len(rows)]), None

    def _products(self, X: NDArray[np.float32], U: NDArray[np.float32]) -> NDArray[np.float32]:
        """XUᵀ, in memory that the next call overwrites."""
        shape, size = (len(X), len(U)), len(X) * len(U)
        if size > self._products_room.shape[1]:
            self._products_room = np.empty((2, size), dtype=np.float32)
        W, part = (room[:size].reshape(shape) for room in self._products_room)
        np.matmul(X[:, :TILE_DEPTH], U[:, :TILE_DEPTH].T, out=W)
        for j in range(TILE_DEPTH, X.shape[1], TILE_DEPTH):
            np.matmul(X[:, j : j + TILE_DEPTH], U[:, j : j + TILE_DEPTH].T, out=part)
            W += part
        return W

    def _lower(
        self,
        rows: NDArray[np.int64],
        taken: NDArray[np.float64],
        mass: NDArray[np.float64],
        terms: NDArray[np.int64],
    ) -> None:
        """Bound r by r − Σw̃² + slack, with slack ≥ Σ(w̃² − w²), w̃ the computed and w the true products."""
        # ‖w̃ − w‖ ≤ reach: |δ_i| ≤ γ‖x‖‖u_i‖ + ν for each pick, and Minkowski over the picks, Σ‖u_i‖² = mass.
        unit = self._unit(rows)
        reach = self._gamma * self._lengths[rows] / unit * np.sqrt(mass) + np.sqrt(terms) * self._tiny
        # w̃² − w² = 2w̃δ − δ² ≤ 2|w̃||δ|, summed by Cauchy–Schwarz; then what summing the squares in float32 can add.
        slack = 2 * reach * np.sqrt(taken) + gammas(terms + 2, UNIT32) * taken + terms * UNDERFLOW
        lowered = (self.r[rows] - (taken - slack) * unit**2) * (1 + 2 * ULP)
        self.r[rows] = np.minimum(self.r[rows], lowered)  # where the slack is more than was taken the old bound stays


def cut_into_tiles(pending: NDArray[np.int64], free: float, most: int = _TILE_ROWS) -> list[tuple[int, int]]:
    """Cut rows sorted by falling `pending` into tiles of at most `most` rows that share most of their picks.

    `free` products of a row with a pick may be wasted in each tile: they cost no more than opening another.
    """
    if len(pending) == 0:
        return []
    edges = [0, *(np.flatnonzero(np.diff(pending)) + 1).tolist(), len(pending)]
    cut: list[tuple[int, int]] = []
    start, useful = 0, 0
    for a, b in pairwise(edges):
        grown = useful + (b - a) * int(pending[a])
        if a > start and (b - start) * int(pending[start]) > (1 + _WASTE) * grown + free:
            cut.append((start, a))
            start, grown = a, (b - a) * int(pending[a])
        useful = grown
    cut.append((start, len(pending)))
    return [(i, min(i + most, b)) for a, b in cut for i in range(a, b, most)]


def update_of(U: NDArray[np.float64], mean: NDArray[np.float64], matrix_scale: float) -> Update:
    """A block of picks that took UᵀU from the inverse, U [m, d]; `mean` float64 [d] is that of all picks now."""
    scaled = (U * (1.0 / matrix_scale)).astype(np.float32)
    return Update(taken=scaled, masses=np.einsum("ij,ij->i", U, U), mean=mean)


def scale_of(peak: float) -> float:
    """The power of two nearest the longest row as it is stored.

    Scaling by it rounds nothing, and what float32 then multiplies is near 1, far from its ends.
    """
    return float(2.0 ** np.round(np.log2(peak))) if peak > 0 else 1.0


def single_rows(features: Features, scale: float) -> tuple[NDArray[np.float32], float]:
    """Float32 features and the scale still to divide by: a float32 matrix is used in place, unscaled."""
    if features.source.dtype == np.float32:
        return features.source, scale
    return (features.source / scale).astype(np.float32), 1.0
