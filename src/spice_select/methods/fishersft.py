"""FisherSFT: rows whose tokens tell most about the last layer (Deb et al., ICML 2025, arXiv 2505.14826)."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.features.directions import DIRECTIONS
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.stepwise import lazily, stepwise
from spice_select.numerics.arrays import Rows
from spice_select.progress import Progress

_TOKEN_STATES = "token-states"
_ROWS = 512


class FisherSft(Method):
    """Greedily what raises log det(σ₀²I + Σ x xᵀ) most, x the last hidden states that predict a supervised token.

    Every token of a row counts, so that long responses gain more: compare at equal tokens. σ₀² is the mean of ‖x‖² ÷
    numbers in x over all tokens of the candidates, so that states are of unit order. The paper's σ₀, and whether it
    counts the prompt, are not known to us; there is no public program.
    """

    name: ClassVar[str] = "fishersft"
    summary: ClassVar[str] = "greedily the rows whose tokens' last hidden states span most (FisherSFT)"
    source: ClassVar[str] = "arXiv 2505.14826"
    no_pairs: ClassVar[str] = "it reads the hidden state of every token of single answers, and a pair has two"

    def needs(self) -> tuple[str, ...]:
        """Hidden states of tokens: a forward pass."""
        return (_TOKEN_STATES,)

    def notes(self, candidates: Candidates, choice: Choice) -> tuple[str, ...]:
        """What is left of the states, and σ₀²."""
        kept = candidates.features[_TOKEN_STATES]["kept"]
        return (
            f"FisherSFT: {DIRECTIONS} directions a row keep {kept.mean():.0%} of its states' squares on average, "
            f"{kept.min():.0%} at the least; σ₀² = {prior(candidates):.4g}.",
        )

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. Cost: O(nr²) for the first pick, r ≤ 128, then lazy.

        The choice knows the ``information`` that each pick added, and the share ``kept`` of its states.
        """
        block = candidates.features[_TOKEN_STATES]
        rows = block.features.reshape(len(block.rows), DIRECTIONS, -1)
        order = lazily(TokenInformation(rows, prior(candidates)), candidates.rows)
        choice = stepwise(order, candidates, allowance, path=self.name, progress=progress)
        again = TokenInformation(rows, prior(candidates))  # of the picks alone: none that was passed over
        gained = [again.taken(int(pick)) for pick in choice.indices]
        return replace(choice, columns={"information": np.array(gained), "kept": block["kept"][choice.indices]})


def prior(candidates: Candidates) -> float:
    """σ₀², the mean over all tokens of ‖x‖² ÷ numbers in x; 1 where all states are zero."""
    block = candidates.features[_TOKEN_STATES]
    return float(block["square"].sum() / block.supervised.sum()) or 1.0


class TokenInformation:
    """log det(V) − log det(σ₀²I), where V = σ₀²I + Σ x xᵀ over the tokens of the rows taken.

    Args:
        rows: ``[n, q, r]``, the vectors x of each row.
        prior: σ₀².
    """

    def __init__(self, rows: NDArray[np.floating], prior: float) -> None:
        self._rows, self._prior = rows, prior
        self._known = np.eye(rows.shape[2])  # V / σ₀²
        self._root = np.eye(rows.shape[2])  # R with R Rᵀ = (V / σ₀²)⁻¹

    def gains(self, rows: Rows) -> NDArray[np.float64]:
        """Log det(I + X V⁻¹ Xᵀ) of each row, the gain of all its tokens together. Cost: O(q·r²) a row."""
        found = [self._gains(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)]
        return np.concatenate(found or [np.zeros(0)])

    def _gains(self, rows: Rows) -> NDArray[np.float64]:
        seen = self._scaled(rows) @ self._root
        return np.linalg.slogdet(np.eye(seen.shape[1]) + seen @ seen.transpose(0, 2, 1))[1]

    def add(self, row: int) -> None:
        """O(r³)."""
        own = self._scaled(np.array([row]))[0]
        self._known += own.T @ own
        self._root = np.linalg.inv(np.linalg.cholesky(self._known)).T

    def taken(self, row: int) -> float:
        """Take a row, and what it gained."""
        gain = float(self.gains(np.array([row]))[0])
        self.add(row)
        return gain

    def _scaled(self, rows: Rows) -> NDArray[np.float64]:
        return self._rows[rows].astype(np.float64) / np.sqrt(self._prior)
