"""LESS: rows whose gradients point where the target's do (Xia et al., ICML 2024, arXiv 2402.04333)."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.cosines import unit_cosines
from spice_select.methods.ranked import best_ranked
from spice_select.methods.round_robin import round_robin
from spice_select.methods.target import TargetSet
from spice_select.progress import Progress

_Ranked = tuple[NDArray[np.int64], NDArray[np.floating]]


class ByTargetGradient(Method):
    """A ranking of candidates by cosines of their gradients with the target's, always of unit vectors.

    Of several checkpoints (`--warm-checkpoints`) each has its own cosine, and the mean is by their weights.

    The published form takes Adam's updates of a warmed-up LoRA for the candidates, and plain gradients for the target:
    `--precondition adam --warmup-rows N`. Without these the candidates' gradients are plain ones too.
    """

    no_pairs: ClassVar[str] = "it chooses for a target, whose rows have one answer each"
    no_marks: ClassVar[str] = "it chooses for a target, whose answers are all to be learnt"

    source: ClassVar[str] = "arXiv 2402.04333"
    reads: ClassVar[frozenset[str]] = frozenset({"alpha", "normalise"})  # by which its picks are judged
    takes_target: ClassVar[bool] = True
    requires_target: ClassVar[bool] = True
    plain_target: ClassVar[bool] = True

    def needs(self) -> tuple[str, ...]:
        """Gradients."""
        return (GRADIENTS,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows the ``similarity`` that each pick was taken for."""
        assert candidates.target is not None, "a run without a target is refused before"
        order, similarity = self.ranked(candidates, candidates.target)
        return best_ranked(order, candidates, allowance, path=self.name, known={"similarity": similarity})

    @abstractmethod
    def ranked(self, candidates: Candidates, target: TargetSet) -> _Ranked:
        """Every position once, the best first; and the similarity of each position, ``[n]``."""


class Less(ByTargetGradient):
    """The largest mean cosine with a task's rows, the task that suits a candidate best; equal ones by row number.

    As the authors' program has it: every row of a task counts alike, whatever the length of its gradient.
    """

    name: ClassVar[str] = "less"
    summary: ClassVar[str] = "gradients that agree most with the target's: mean cosine with a task's rows (LESS)"

    def ranked(self, candidates: Candidates, target: TargetSet) -> _Ranked:
        """See `ByTargetGradient.ranked`."""
        near = _cosines(candidates, target.features[GRADIENTS].features)
        means = [near[:, own].mean(axis=1, dtype=np.float64) for own in target.groups.values()]
        return _largest(np.max(means, axis=0), candidates)


class LessPaper(ByTargetGradient):
    """The largest cosine with a task's mean gradient, as the paper's text has it; long gradients weigh more in it."""

    name: ClassVar[str] = "less-paper"
    summary: ClassVar[str] = "as less, by the cosine with a task's mean gradient"

    def ranked(self, candidates: Candidates, target: TargetSet) -> _Ranked:
        """See `ByTargetGradient.ranked`."""
        rows = target.features[GRADIENTS].features.astype(np.float64)
        means = np.stack([rows[own].mean(axis=0) for own in target.groups.values()])
        return _largest(_cosines(candidates, means).max(axis=1), candidates)


class LessRoundRobin(ByTargetGradient):
    """Each row of the target in turn takes the candidate of the largest cosine that is left; tasks before rows.

    The best of the gradient rules at small budgets in arXiv 2602.14696.
    """

    name: ClassVar[str] = "less-rr"
    summary: ClassVar[str] = "as less, each of the target's rows taking its best in turn"

    def ranked(self, candidates: Candidates, target: TargetSet) -> _Ranked:
        """See `ByTargetGradient.ranked`."""
        near = _cosines(candidates, target.features[GRADIENTS].features)
        return round_robin(near, target.groups, candidates.rows)


def _cosines(candidates: Candidates, directions: NDArray[np.floating]) -> NDArray[np.float32]:
    """Of each candidate with each direction ``[m, d]``, weighted over the checkpoints; see `unit_cosines`."""
    block = candidates.features[GRADIENTS]
    return unit_cosines(block.features, directions, weights=block.weights)


def _largest(score: NDArray[np.floating], candidates: Candidates) -> _Ranked:
    return np.lexsort((candidates.rows, -score)), score
