"""Rows drawn at random, of each source as much as the default takes: do its rows matter, or only its sources?"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.methods.spice import Information
from spice_select.progress import Progress


class RandomInShares(Method):
    """A random draw that has of each source the share of supervised tokens that `Information` has in its choice.

    What the default gains beyond this draw its rows gain, the rest its sources; where rows name one source at most it
    is a plain draw. Within every beginning of it sources stand in these shares, as nearly as whole rows allow. Sources
    that the default takes nothing from come last.
    """

    name: ClassVar[str] = "source-shares"
    summary: ClassVar[str] = "drawn at random, of each source as much as the default method takes, a control"
    source: ClassVar[str] = "control"
    reads: ClassVar[frozenset[str]] = frozenset({"agreeing", "normalise", "row_weight"})
    draws: ClassVar[bool] = True
    takes_target: ClassVar[bool] = True
    no_pairs: ClassVar[str] = "its shares are those of a choice among single answers"
    no_marks: ClassVar[str] = "its shares are those of a choice among answers that are all to be learnt"

    def __init__(self, chooser: Method | None = None) -> None:
        self._chooser = chooser or Information()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Method:
        return cls(Information.of(settings))

    def needs(self) -> tuple[str, ...]:
        """What the default needs: gradients."""
        return self._chooser.needs()

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`. The choice knows the ``share`` of its source. Cost: the default's, once."""
        chosen = self._chooser.choose(candidates, allowance, seed=seed, progress=progress).indices
        shares = shares_of_sources(candidates, chosen)
        order = drawn_in_shares(candidates, shares, seed)
        return best_ranked(order, candidates, allowance, path=self.name, known={"share": shares})


def shares_of_sources(candidates: Candidates, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each candidate its source's share of the supervised tokens of the rows chosen, float64 ``[n]``."""
    _, group = np.unique(np.array(candidates.sources), return_inverse=True)
    tokens = np.bincount(group[chosen], candidates.supervised[chosen], minlength=int(group.max()) + 1)
    return np.asarray(tokens / tokens.sum())[group]


def drawn_in_shares(
    candidates: Candidates, shares: NDArray[np.float64], seed: int | tuple[int, ...]
) -> NDArray[np.int64]:
    """Every position once, drawn within its source: at any point sources have supervised tokens by their shares.

    A row comes when so many tokens have been drawn that half of its own are due to its source.

    Args:
        candidates: ``[n]``, with their sources and supervised tokens.
        shares: of each one's source, ``[n]``.
        seed: of the draw.
    """
    drawn = np.random.default_rng(seed).permutation(len(candidates))
    sources, due = np.array(candidates.sources)[drawn], np.empty(len(drawn))
    for name in np.unique(sources):
        own = np.flatnonzero(sources == name)
        tokens, share = candidates.supervised[drawn[own]], float(shares[drawn[own[0]]])
        due[own] = (np.cumsum(tokens) - tokens / 2) / share if share else np.inf
    return drawn[np.argsort(due, kind="stable")]
