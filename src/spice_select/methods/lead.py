"""LEAD, reconstructed: hard rows of a cluster that a bandit draws, while the proxy trains (arXiv 2505.07437)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.exp3 import Exp3, min_max
from spice_select.methods.helped import ALONE, PROMPTED, ratios
from spice_select.methods.ranked import best_ranked
from spice_select.methods.scalar_clusters import scalar_clusters
from spice_select.methods.smoothing import smoothed
from spice_select.progress import Progress

IFD_CLUSTERS = 7


class Lead(Method):
    """In each pool a bandit draws a cluster, and its rows of the highest smoothed loss are taken.

    Our reconstruction: the published program cannot be run, and the paper leaves smoothing and reward open. Clusters
    are those of the IFD ratio (k-means, K = 7), made once of all rows. A row's loss S begins as that of the proxy as it
    came, and a tenth of the loss that the moving proxy has of it in its pool enters. Where the drawn cluster has fewer
    rows in the pool than are asked for, the next drawn stand in.

    **Reward.** How much further the drawn cluster's picks have come than those of its last visit: the mean over the
    picks of the loss now less that at the start, before less now, scaled to −1 … 1 by the least and the most so far. A
    row is met once, so it is held against its own loss at the start. It pays the cluster's draw at its last visit, and
    nothing unless the proxy was updated in between.

    Pools must be met in order, each once; see `fresh`.

    Args:
        summed: whether the losses beside the gradients are sums over a row's tokens, not means (``--loss sum``).
    """

    name: ClassVar[str] = "lead"
    summary: ClassVar[str] = (
        "the highest smoothed loss in a cluster of ifd that a bandit draws while the proxy trains (LEAD, reconstructed)"
    )
    source: ClassVar[str] = "arXiv 2505.07437"
    no_pairs: ClassVar[str] = "it lives on a training of the proxy on single answers"
    no_marks: ClassVar[str] = "it trains the proxy on every answer, as if each were to be learnt"
    draws: ClassVar[bool] = True
    in_loop: ClassVar[bool] = True

    def __init__(self, *, summed: bool = False) -> None:
        self._summed = summed
        self._start: _Start | None = None
        self._bandit = Exp3(np.ones(IFD_CLUSTERS))
        self._visits: dict[int, _Visit] = {}
        self._progress: list[float] = []
        self._picked = [0, 0]  # of the cluster drawn, and in all

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Method:
        """By the losses that the settings' gradients come with."""
        return cls(summed=settings["loss"] == "sum")

    def needs(self) -> tuple[str, ...]:
        """Gradients, for the losses that come with them; of all rows losses with and without the prompt."""
        return (GRADIENTS, PROMPTED, ALONE)

    def fresh(self, whole: Candidates) -> "Lead":
        """With its clusters, the losses at the start, and a bandit that has learnt nothing."""
        begun = Lead(summed=self._summed)
        begun._start = _Start.of(whole)
        return begun

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """How often the bandit was paid, and how many picks are of a cluster it drew."""
        drawn, whole = self._picked
        chances = ", ".join(f"{chance:.2f}" for chance in self._bandit.probabilities)
        return (
            f"LEAD's bandit was paid {len(self._progress)} times, and draws its clusters, from low to high IFD, with "
            f"probability {chances} by now. Of {whole} picks {drawn} are of the cluster drawn; for the others it had "
            "too few rows in the pool.",
        )

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`. The choice knows the ``utility`` S and the ``cluster`` of each pick."""
        assert self._start is not None, "a pass over the pools begins with `fresh`"
        clusters, before = self._start.of_rows(candidates.rows)
        block = candidates.features[GRADIENTS]
        now = block.losses / block.supervised if self._summed else block.losses
        utility = smoothed(before, now)
        chances, there = self._bandit.probabilities, np.unique(clusters)
        chances = chances[there] / chances[there].sum()
        order = np.random.default_rng(seed).choice(len(there), len(there), replace=False, p=chances)
        turns = np.empty(IFD_CLUSTERS, np.int64)
        turns[there[order]] = np.arange(len(there))
        ranking = np.lexsort((candidates.rows, -utility, turns[clusters]))
        known = {"utility": utility, "cluster": clusters.astype(np.float64)}
        choice = best_ranked(ranking, candidates, allowance, path=self.name, known=known)
        drawn = choice.indices[turns[clusters[choice.indices]] == 0]
        self._picked = [self._picked[0] + len(drawn), self._picked[1] + len(choice)]
        if len(drawn):
            updates = 0 if candidates.moment is None else candidates.moment.updates
            level = float(np.mean(now[drawn] - before[drawn]))
            self._visited(int(there[order[0]]), _Visit(updates, float(chances[order[0]]), level))
        return choice

    def _visited(self, cluster: int, visit: "_Visit") -> None:
        """Note a visit, and pay the cluster's one before where the proxy was updated since."""
        last = self._visits.get(cluster)
        if last is not None and visit.updates > last.updates:
            self._progress.append(last.level - visit.level)
            self._bandit = self._bandit.paid(cluster, min_max(self._progress), last.chance)
        self._visits[cluster] = visit


@dataclass(frozen=True)
class _Visit:
    """A cluster drawn in a pool.

    Attributes:
        updates: how many the proxy had had.
        chance: with which it was drawn.
        level: mean over its picks of the loss then less that at the start (nats a token).
    """

    updates: int
    chance: float
    level: float


@dataclass(frozen=True, eq=False)
class _Start:
    """What is known of all rows before the proxy moves.

    Attributes:
        rows: int64 ``[n]``, ascending.
        clusters: int64 ``[n]``.
        losses: float64 ``[n]``, nats a token.
    """

    rows: NDArray[np.int64]
    clusters: NDArray[np.int64]
    losses: NDArray[np.float64]

    @classmethod
    def of(cls, whole: Candidates) -> "_Start":
        """Clusters of all rows. A response of hardly any loss alone counts as the largest ratio that is finite."""
        ratio = ratios(whole)
        largest = ratio[np.isfinite(ratio)].max(initial=0.0)
        clusters = scalar_clusters(np.minimum(ratio, largest), IFD_CLUSTERS)
        return cls(whole.rows, clusters, whole.features[PROMPTED].losses)

    def of_rows(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Cluster and loss of some of them, by their numbers."""
        places = np.searchsorted(self.rows, rows)
        return self.clusters[places], self.losses[places]
