"""Rows drawn at random, of each source as much as the default takes: do its rows matter, or only its sources?"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.information import Information
from spice_select.methods.ranked import best_ranked
from spice_select.methods.spice import agreeing_faults
from spice_select.progress import Progress
from spice_select.selection.objectives import DistinctVariance

_AHEAD = 1.25
"""How many more picks than the budget's mean are followed at first: short ones make fewer rows due."""


class RandomInShares(Method):
    """A random draw that follows the default's choice by source: what that takes of one, this draws of it.

    A row drawn of a source is due once the default's picks of that source hold half of its supervised tokens beyond
    those drawn before; rows come in the order in which they are due. So every beginning has the sources of a beginning
    of the default's choice, whatever the budget is. What the default gains beyond this draw its rows gain, the rest its
    sources; where rows name one source at most it is a plain draw. The default is taken as it comes, its picks by rows.
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
        self._chooser = chooser or Information(DistinctVariance)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Method:
        return cls(Information.as_it_comes(settings))

    @classmethod
    def clashes(cls, settings: Mapping[str, Any]) -> list[str]:
        """Rows agree with a target or with nothing."""
        return agreeing_faults(settings, "target-information", quotas=False)

    def needs(self) -> tuple[str, ...]:
        """What the default needs: gradients."""
        return self._chooser.needs()

    def prepared(self, candidates: Candidates, progress: Progress) -> Candidates:
        """As the default has them."""
        return self._chooser.prepared(candidates, progress)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`. Without quotas a smaller budget is the beginning of a larger one.

        Cost: the default's choice of so many rows that enough are due, asked again for twice as many where not.
        """
        candidates = self.prepared(candidates, progress)
        n, rows, tokens = len(candidates), allowance.rows, allowance.tokens or 0
        share = rows / n if rows else min(1.0, tokens / float(allowance.costs(candidates).sum()))
        wanted = min(n, 1 + round(_AHEAD * share * n))
        while True:
            chosen = self._chooser.choose(candidates, Allowance(rows=wanted), seed=seed, progress=progress).indices
            order, due = following(candidates, chosen, seed)
            if wanted == n or allowance.is_filled(order[:due], candidates):
                return best_ranked(order, candidates, allowance, path=self.name)
            wanted = min(n, 2 * wanted)


def following(
    candidates: Candidates, chosen: NDArray[np.int64], seed: int | tuple[int, ...]
) -> tuple[NDArray[np.int64], int]:
    """Every position once, drawn within its source, and how many of these are due; the others come last, as drawn.

    Args:
        candidates: ``[n]``, with their sources and supervised tokens.
        chosen: int64 ``[k]``, the picks that are followed, in their order.
        seed: of the draw.

    Cost: O(n log n).
    """
    drawn = np.random.default_rng(seed).permutation(len(candidates))
    _, group = np.unique(np.array(candidates.sources), return_inverse=True)
    when = np.full(len(drawn), len(chosen))
    for source in np.unique(group[chosen]):
        own, picks = np.flatnonzero(group[drawn] == source), np.flatnonzero(group[chosen] == source)
        tokens, taken = candidates.supervised[drawn[own]], np.cumsum(candidates.supervised[chosen[picks]])
        place = np.searchsorted(taken, np.cumsum(tokens) - tokens / 2)
        when[own] = np.append(picks, len(chosen))[place]
    return drawn[np.argsort(when, kind="stable")], int((when < len(chosen)).sum())
