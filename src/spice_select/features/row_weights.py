"""How much a row's direction counts: alike for every row, or as a trainer weights it.

`ROW_WEIGHTS` is the one list: `--row-weight`, its help and error messages are made from it. A new weight is a class, a
line in the table and a row in ``tests/features/test_row_weights.py``.
"""

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.settings.table import Table
from spice_select.store import FeatureBlock

PAIR_WEIGHT = "pair_weight"
"""The column of gradients that says what a pair's vector is multiplied by; see `DpoReference.weights`."""


class RowWeight(Protocol):
    """Weights w with Fisher information F_S = Σ w_i g_i g_iᵀ."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def scales(self, supervised: NDArray[np.int64], corpus: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """√w of each row, float64 ``[n]``: what its gradient is multiplied by once it is normalised.

        Args:
            supervised: int64 ``[n]``, tokens that each row is trained on.
            corpus: the same of all rows that there are, of which these may be some; in any order.

        Returns:
            None where every row counts alike.
        """
        ...


class EveryRow:
    """w = 1."""

    name: ClassVar[str] = "row"
    summary: ClassVar[str] = "every row counts alike"

    def scales(self, supervised: NDArray[np.int64], corpus: NDArray[np.int64]) -> None:
        """See `RowWeight`."""


class ByTokens:
    """w = min(T, T₉₅)/T̄: a mean over a batch's tokens, as trainers take it, pulls with T times the row's mean gradient.

    T₉₅ is the 95th percentile of the corpus' lengths (linear between two of them), T̄ the mean of the lengths that are
    cut there: the mean weight is 1, and α keeps its meaning. Multiplying all lengths by a number changes nothing.
    """

    name: ClassVar[str] = "tokens"
    summary: ClassVar[str] = (
        "by its supervised tokens up to their 95th percentile, as a trainer's mean over tokens does"
    )

    def scales(self, supervised: NDArray[np.int64], corpus: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `RowWeight`. O(N log N)."""
        lengths = np.sort(corpus).astype(np.float64)  # sorted, so that the order of the rows does not round the mean
        most = float(np.percentile(lengths, 95))
        return np.sqrt(np.minimum(supervised, most) / np.minimum(lengths, most).mean())


def row_scales(
    weight: RowWeight, supervised: NDArray[np.int64], corpus: NDArray[np.int64], block: FeatureBlock | None
) -> NDArray[np.float64] | None:
    """What each row's gradient is multiplied by: the root of its weight, and of a pair what DPO gives it.

    Args:
        weight: as asked for.
        supervised, corpus: see `RowWeight.scales`.
        block: the gradients; where they are of pairs on a proxy that was trained they know ``pair_weight``.

    Returns:
        float64 ``[n]``; None where every row counts alike.
    """
    own = weight.scales(supervised, corpus)
    if block is None or PAIR_WEIGHT not in block.columns:
        return own
    weights: NDArray[np.float64] = block[PAIR_WEIGHT]
    return weights if own is None else own * weights


ROW_WEIGHTS: Table[RowWeight] = Table("row weight", EveryRow(), ByTokens())
