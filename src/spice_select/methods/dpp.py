"""DPP: rows as unlike each other as can be (Wang et al. 2024, arXiv 2402.02318; greedy MAP: Chen et al. 2018)."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.features.poolings import RESPONSE, STATES
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.points import centred, first_best, unit_points
from spice_select.methods.stepwise import stepwise
from spice_select.numerics.distances import squared_distances
from spice_select.progress import Progress
from spice_select.settings.counted import counted

_PAIRS = 2000
"""Pairs of rows whose median distance sets the kernel's width."""
_NOTHING_NEW = 1e-10
"""A share of a row's own variance that is rounding."""
_STRETCH = 64
"""Rows of the factor that are kept together."""


class Dpp(Method):
    """Greedily the row that adds most to log det of the kernel of those chosen, exp(−γ‖z_i − z_j‖²), each row alike.

    z are the responses' mean hidden states, of length one, less the mean of all rows and of length one again; γ is
    one over the median squared distance of 2 000 pairs, which the seed does not draw. The seed draws the rest once all
    that is left is a copy of what is chosen to within rounding; a run says how many those are. Equal rows by number.
    The published method has gradients for z and a quality of each row; here every row has the same.

    Cost: O(nk(k + d)), and 8·n·(k + d) bytes: of 100 000 rows and a tenth of them 8 GB. `--schedule pools` needs less.
    """

    name: ClassVar[str] = "dpp"
    summary: ClassVar[str] = "most unlike each other: greedy MAP of a DPP on hidden states of the response"
    source: ClassVar[str] = "arXiv 2402.02318"
    no_pairs: ClassVar[str] = "it compares hidden states of single answers, and a pair has two"
    by_number: ClassVar[bool] = True

    def needs(self) -> tuple[str, ...]:
        """Hidden states: a forward pass."""
        return (STATES,)

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """How many picks were drawn, since nothing new was left."""
        drawn = int((choice.columns["variance"] == 0).sum())
        if not drawn:
            return ()
        of = f"of {counted(len(choice), 'pick')}"
        return (f"DPP: {counted(drawn, f'{of} was', f'{of} were')} drawn at random: nothing was left that is new.",)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`. The choice knows the ``variance`` each pick had left, from 1 down; 0 for one drawn."""
        points = unit_points(candidates, RESPONSE)
        points = centred(points, points.mean(axis=0))
        gamma, variance = kernel_width(points, candidates.rows), np.zeros(len(candidates))
        order = _then_drawn(most_unlike(points, gamma, candidates.rows, variance), len(candidates), seed)
        return stepwise(order, candidates, allowance, path=self.name, progress=progress, known={"variance": variance})


def kernel_width(points: NDArray[np.float64], rows: NDArray[np.int64]) -> float:
    """γ: one over the median squared distance of pairs of points, all of them or 2 000; 1 where that is 0."""
    n, by_row = len(points), np.argsort(rows)
    left, right = np.triu_indices(n, 1) if n * (n - 1) // 2 <= _PAIRS else _drawn_pairs(n)
    apart = points[by_row[left]] - points[by_row[right]]
    median = float(np.median(np.einsum("ij,ij->i", apart, apart))) if len(left) else 0.0
    return 1 / median if median > 0 else 1.0


def _drawn_pairs(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of two different places, the same for the same n: the width belongs to the rows and not to a run."""
    draw = np.random.default_rng(n)
    left = draw.integers(0, n, _PAIRS)
    return left, (left + draw.integers(1, n, _PAIRS)) % n


def most_unlike(
    points: NDArray[np.float64], gamma: float, rows: NDArray[np.int64], variance: NDArray[np.float64]
) -> Iterator[int]:
    """Positions by greedy MAP, until what is left of every row is rounding.

    The Cholesky factor of the kernel of those chosen, against all rows, grows by a row a pick.

    Args:
        points: ``[n, d]``.
        gamma: γ of the kernel exp(−γ‖z_i − z_j‖²).
        rows: their row numbers.
        variance: ``[n]``, filled in: what each pick had left that those before do not explain, d².
    """
    left, factor = np.ones(len(points)), list[NDArray[np.float64]]()
    for count in range(len(points)):
        pick = first_best(left, rows)
        if left[pick] < _NOTHING_NEW:
            return
        variance[pick] = left[pick]
        if count % _STRETCH == 0:
            factor.append(np.zeros((_STRETCH, len(points))))
        unexplained = np.exp(-gamma * squared_distances(points, points[pick, None])[:, 0])
        for stretch in factor:
            unexplained -= stretch[:, pick] @ stretch
        own = factor[-1][count % _STRETCH]
        np.divide(unexplained, np.sqrt(left[pick]), out=own)
        left -= own**2
        left[pick] = -np.inf
        yield pick


def _then_drawn(order: Iterator[int], n: int, seed: int | tuple[int, ...]) -> Iterator[int]:
    """An order that ends early, and then all other positions as they are drawn."""
    out = np.ones(n, bool)
    for pick in order:
        out[pick] = False
        yield pick
    yield from np.random.default_rng(seed).permutation(np.flatnonzero(out)).tolist()
