"""Rows drawn at random in proportion to source and length: a control that no source and no length can upset."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Sample
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress, Silent


class Stratified(Method):
    """A random draw whose mix of sources and of response lengths is the candidates', at any budget.

    A stratum is a third of a source: its shortest, middle or longest rows by supervised tokens. Each pick comes from
    the stratum that is furthest behind its share, and is drawn within it. Loads no model.
    """

    name: ClassVar[str] = "stratified"
    summary: ClassVar[str] = "drawn at random in proportion to source and length, a control; loads no model"
    source: ClassVar[str] = "control"
    draws: ClassVar[bool] = True

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`. A smaller budget is the beginning of a larger one."""
        draw = np.random.default_rng(seed)
        strata = [draw.permutation(stratum) for stratum in strata_of(candidates)]
        draw.shuffle(strata)  # of those equally far behind the first is served
        taken = in_proportion([len(stratum) for stratum in strata])
        order = np.empty(len(candidates), np.int64)
        for number, stratum in enumerate(strata):
            order[taken == number] = stratum
        return best_ranked(order, candidates, allowance, path=self.name)


def drawn_in_proportion(examples: Sequence[Sample], rows: int, *, seed: int | tuple[int, ...]) -> NDArray[np.int64]:
    """Positions of so many of the examples, drawn by source and length as `Stratified` draws, ascending."""
    candidates = Candidates(
        rows=np.array([example.row for example in examples], np.int64),
        tokens=np.array([example.num_tokens for example in examples], np.int64),
        supervised=np.array([example.num_supervised for example in examples], np.int64),
        sources=[example.source for example in examples],
    )
    choice = Stratified().choose(candidates, Allowance(rows=rows), seed=seed, progress=Silent())
    return np.sort(choice.indices)


def strata_of(candidates: Candidates) -> list[NDArray[np.int64]]:
    """Positions of each source's thirds by supervised tokens, equal lengths by row number; sources by name."""
    sources = np.array(candidates.sources)
    strata = []
    for name in np.unique(sources):
        inside = np.flatnonzero(sources == name)
        by_length = inside[np.lexsort((candidates.rows[inside], candidates.supervised[inside]))]
        strata += [third for third in np.array_split(by_length, 3) if len(third)]
    return strata


def in_proportion(sizes: Sequence[int]) -> NDArray[np.int64]:
    """In which stratum each pick is made, int64 ``[Σ sizes]``: the one furthest behind its share, ties to the first.

    The largest remainder, row by row: after every k picks no stratum is a whole row ahead of its share k·size/Σ, and
    after the last each is used up. Cost: O(n·strata).
    """
    shares = np.array(sizes, np.int64)
    total, behind = int(shares.sum()), np.zeros(len(shares), np.int64)
    taken = np.empty(total, np.int64)
    for pick in range(total):  # in whole numbers, n times what a stratum is behind
        behind += shares
        taken[pick] = first = int(behind.argmax())
        behind[first] -= total
    return taken
