"""What is known of some rows: named columns of numbers and, where there is one, a vector for each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def _no_vectors() -> NDArray[np.float32]:
    return np.empty((0, 0), np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureBlock:
    """The features of some rows, aligned by position.

    Attributes:
        rows: int64 ``[b]``, row numbers in the corpus.
        columns: name → ``[b]`` numbers, e.g. ``loss`` and ``norm`` float64, ``tokens`` and ``supervised`` int64.
        finite: bool ``[b]``, false where a number overflowed or was none; the vector is zero there.
        features: float32 ``[b, d]``, a vector for each row (sketched gradients, say); ``[0, 0]`` where the feature
            is columns alone.
        weights: what each of the equal stretches of a vector weighs, where it holds several vectors side by side, each
            times the root of its weight: gradients at several checkpoints. They sum to one.
        killers: numbers of the rows that were not computed, since every process that tried died of it; not finite.
    """

    rows: NDArray[np.int64]
    columns: Mapping[str, NDArray]
    finite: NDArray[np.bool_]
    features: NDArray[np.float32] = field(default_factory=_no_vectors)
    weights: tuple[float, ...] = (1.0,)
    killers: frozenset[int] = frozenset()

    def __getitem__(self, column: str) -> NDArray:
        """A column by its name."""
        return self.columns[column]

    @property
    def dim(self) -> int:
        """Numbers in a vector; 0 where there are none."""
        return self.features.shape[1]

    @property
    def losses(self) -> NDArray[np.float64]:
        """Response loss as the gradient's loss defines it (nats), float64 ``[b]``."""
        return self.columns["loss"]

    @property
    def norms(self) -> NDArray[np.float64]:
        """Length of the gradient before the sketch, float64 ``[b]``."""
        return self.columns["norm"]

    @property
    def tokens(self) -> NDArray[np.int64]:
        """Tokens of the example, int64 ``[b]``."""
        return self.columns["tokens"]

    @property
    def supervised(self) -> NDArray[np.int64]:
        """Tokens trained on, int64 ``[b]``."""
        return self.columns["supervised"]

    @staticmethod
    def concatenate(blocks: Sequence["FeatureBlock"]) -> "FeatureBlock":
        """The rows of several blocks of one kind, one block after the other. Copies."""
        return FeatureBlock(
            rows=np.concatenate([block.rows for block in blocks]),
            columns={name: np.concatenate([block.columns[name] for block in blocks]) for name in blocks[0].columns},
            finite=np.concatenate([block.finite for block in blocks]),
            features=np.concatenate([block.features for block in blocks]),
            weights=blocks[0].weights,
            killers=frozenset().union(*(block.killers for block in blocks)),
        )

    def take(self, order: NDArray) -> "FeatureBlock":
        """The rows at some positions, or where a mask is true. Copies."""
        return FeatureBlock(
            rows=self.rows[order],
            columns={name: column[order] for name, column in self.columns.items()},
            finite=self.finite[order],
            features=self.features[order] if self.dim else self.features,
            weights=self.weights,
            killers=self.killers & set(self.rows[order].tolist()) if self.killers else self.killers,
        )
