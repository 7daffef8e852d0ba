"""Gradients of single answers, taken once: every pair gradient of every bed is a sum of them.

v is linear in the answers' gradients, so turning a label is a sign, a mean is a factor, and a tail that counts less is
a mixture of a whole answer and its beginning. One pass over the answers therefore serves all beds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.evidence.features import known
from benchmarks.preference.pairs import beginning
from numpy.typing import NDArray

from spice_select.data.records import Example, PairExample, Sample
from spice_select.methods import Candidates
from spice_select.store import FeatureBlock

KINDS = ("sum", "mean", "tail")
TAIL = 0.5
"""What tokens beyond the shorter answer count in a `tail`, as `--pair-tail` has it by default."""
SHORT = 4
"""A short answer is the first quarter of the shorter one of its pair."""
_PART = 128
"""Answers in a file: what a stopped pass does not lose."""


@dataclass(frozen=True)
class Answers:
    """What is known of the answers of n pairs; the first column is the chosen one's.

    Attributes:
        whole: ∇ log π of each answer, summed over its tokens and sketched, ``[n, 2, d]``.
        short: the same of its first tokens, as many on both sides, of the first m pairs, ``[m, 2, d]``.
        tokens: of each whole answer, ``[n, 2]``.
        short_tokens: of both short ones, ``[m]``.
    """

    whole: NDArray[np.float32]
    short: NDArray[np.float32]
    tokens: NDArray[np.int64]
    short_tokens: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)

    def compacted(self) -> "Answers":
        """In coordinates of the span of all: the same inner products from as many numbers as there are vectors."""
        rows = np.concatenate([self.whole, self.short]).reshape(-1, self.whole.shape[2])
        lower = np.linalg.qr(rows.T.astype(np.float64), mode="r").T.astype(np.float32)
        parts = np.split(lower.reshape(-1, 2, lower.shape[1]), [len(self.whole)])
        return replace(self, whole=parts[0], short=parts[1])

    def equal(self, kind: str) -> NDArray[np.float32]:
        """v of the pairs as they are, ``[n, d]``; `sum` or `mean`."""
        weights = np.ones(self.tokens.shape) if kind == "sum" else 1 / self.tokens
        sides = self.whole * weights[:, :, None].astype(np.float32)
        return sides[:, 0] - sides[:, 1]

    def unequal(self, kind: str, short: NDArray[np.int64]) -> NDArray[np.float32]:
        """v of the first pairs, one answer of each cut to its beginning, ``[m, d]``.

        Args:
            kind: of `KINDS`.
            short: which one, ``[m]``: 0 the chosen, 1 the rejected.
        """
        each, other = np.arange(len(short)), 1 - short
        longer, shorter = self.whole[each, other], self.short[each, short]
        if kind == "mean":
            longer = longer / self.tokens[each, other][:, None]
            shorter = shorter / self.short_tokens[:, None]
        if kind == "tail":
            longer = TAIL * longer + (1 - TAIL) * self.short[each, other]
        signs = np.where(short == 1, 1.0, -1.0)[:, None]
        return (signs * (longer - shorter)).astype(np.float32)

    def lengths(self, short: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens of both answers where one is cut, ``[m, 2]``."""
        found, each = self.tokens[: len(short)].copy(), np.arange(len(short))
        found[each, short] = self.short_tokens
        return found


def answers_of(pairs: Sequence[PairExample], folder: Path, *, short: int, **how: Any) -> Answers:
    """Computed, or read where they were computed before.

    Args:
        pairs: n of them.
        folder: where they are kept.
        short: the beginnings of the answers of so many of the pairs are taken too.
        **how: what gradients are asked for.

    Cost: a forward and backward pass over both answers of every pair, and over the beginnings.
    """
    tokens = np.array([[side.num_supervised for side in pair.sequences] for pair in pairs])
    short_tokens = np.maximum(tokens[:short].min(1) // SHORT, 1)
    sides = {
        "whole": [side for pair in pairs for side in pair.sequences],
        "short": [
            beginning(side, int(count))
            for pair, count in zip(pairs, short_tokens, strict=False)
            for side in pair.sequences
        ],
    }
    found = {name: _gradients(name, rows, folder, **how) for name, rows in sides.items()}
    return Answers(found["whole"], found["short"], tokens, short_tokens)


def _gradients(name: str, sides: Sequence[Example], folder: Path, **how: Any) -> NDArray[np.float32]:
    """∇ log π ``[n, 2, d]`` of so many answers, two to a pair."""
    folder.mkdir(parents=True, exist_ok=True)
    numbered = [replace(side, row=place) for place, side in enumerate(sides)]
    parts = [numbered[start : start + _PART] for start in range(0, len(numbered), _PART)]
    blocks = [
        known(folder, f"{name}-{place}", part, part, feature="gradients", loss="sum", **how)
        for place, part in enumerate(parts)
    ]
    found = np.concatenate([block.features for block in blocks])
    return -found.reshape(-1, 2, found.shape[1])  # of the log-probability: the loss has the other sign


def candidates_of(vectors: NDArray[np.float32], samples: Sequence[Sample] = ()) -> Candidates:
    """Rows as methods see them; lengths of gradients are those of their sketches, 1/√d off.

    Args:
        vectors: ``[n, d]``, a row's gradient each.
        samples: the rows, for methods that go by what they are or by their tokens.
    """
    n = len(vectors)
    columns = {
        "loss": np.zeros(n),
        "norm": np.linalg.norm(vectors, axis=1).astype(np.float64),
        "tokens": np.array([one.num_tokens for one in samples] or [1] * n),
        "supervised": np.array([one.num_supervised for one in samples] or [1] * n),
    }
    block = FeatureBlock(rows=np.arange(n), columns=columns, finite=np.ones(n, bool), features=vectors)
    return Candidates.of_gradients(block, normalise="unit", examples=samples)
