"""Signs that a choice rich in information may still tune poorly, each beside random rows.

High log det says that the picks span many directions, not that the corpus uses these. Three more numbers can be had
from the same gradients: how much of the corpus' gradients the picks explain, whether they pull where the corpus pulls,
and whether they pull together. Every gradient counts with length one here, so that no few large ones speak for all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spice_select.diagnosis.ports import Subset, alpha_of, picked_rows
from spice_select.diagnosis.sensitivity import share_of_largest
from spice_select.diagnosis.threads import fitting_threads
from spice_select.errors import InputError
from spice_select.numerics.features import read
from spice_select.numerics.tiles import tiles
from spice_select.selection.objectives.logdet import LogDet

_MOSTLY = 0.5  # a choice of which more than this is among the largest gradients ranks by size
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Sign:
    """One number of the picks beside the same of random rows.

    Attributes:
        name: what one would like to be true.
        value: the number; NaN where there is nothing to measure.
        draws: float64 [R], that of each random draw.
        sentence: both in words.
        warning: what follows where the picks do worse than every draw; "" where they do not.
    """

    name: str
    value: float
    draws: np.ndarray
    sentence: str
    warning: str


def signs(
    features: Any,
    selection: Subset,
    objective: LogDet,
    *,
    counts: np.ndarray | None = None,
    draws: int = 20,
    seed: int = 0,
) -> list[Sign]:
    """Look for what would explain poor tuning despite high information, or slow convergence.

    Args:
        features: [n, d] float, as the selector sees them.
        selection: the picks.
        objective: the log det whose α scales the information.
        counts: how many rows share each row's direction ``[n]``, where what is to be explained holds each once; else
            every row counts.
        draws: random subsets of the same size to stand beside, 2 or more.
        seed: of the draws.

    Raises:
        InputError: features, indices or objective that cannot be used, draws < 2.

    A choice no better than random rows is warned of by chance once in draws + 1 times, for each of the four.

    Cost: nd² + (draws + 1)·(2kd² + 6k²d + 20k³) float64 flops, with min(n, d) for d; from 3k = d on (draws + 1)·(kd² +
    3d³).
    """
    if draws < 2:
        raise InputError(f"draws is {draws}; a comparison needs 2 or more")
    checked = read(features)
    picked, alpha = picked_rows(selection, len(checked.array)), alpha_of(objective)
    streams = (np.random.default_rng((seed, draw)) for draw in range(draws))
    subsets = [stream.choice(len(checked.array), len(picked), replace=False) for stream in streams]

    def beside(measure: Callable[[np.ndarray], float]) -> tuple[float, np.ndarray]:
        return measure(picked), np.array([measure(rows) for rows in subsets])

    with fitting_threads(min(checked.array.shape)):
        corpus = _Corpus.of(checked.compacted, checked.squares, alpha, counts)
        once = "" if counts is None else ", each counted once however many rows share it"
        return [
            _explained(*beside(corpus.explained), once),
            _towards(*beside(corpus.cosine)),
            _together(*beside(corpus.pull)),
            _largest(*beside(lambda rows: share_of_largest(checked.squares, rows))),
        ]


@dataclass(frozen=True, kw_only=True)
class _Corpus:
    """Gradients of all rows [n, d] and what makes each of length one [n]; Σ u uᵀ/m [d, d] and Σ u [d] of those u."""

    rows: np.ndarray
    scale: np.ndarray
    moment: np.ndarray
    total: np.ndarray
    alpha: float

    @classmethod
    def of(cls, rows: np.ndarray, squares: np.ndarray, alpha: float, counts: np.ndarray | None) -> "_Corpus":
        scale = np.divide(1.0, np.sqrt(squares), out=np.zeros_like(squares), where=squares > 0)
        everyone = np.arange(len(rows))
        sought = scale if counts is None else scale / np.sqrt(counts)
        moment, total = _moment(rows, sought, everyone), _total(rows, scale, everyone)
        return cls(rows=rows, scale=scale, moment=moment, total=total, alpha=alpha)

    def explained(self, rows: np.ndarray) -> float:
        """1 − Σ_y u_yᵀ(I+αF_S)⁻¹u_y/m_y / Σ_y ‖u_y‖²/m_y over all rows y: `TargetVariance` (`DistinctVariance` where
        m counts copies) as a share of what there is.
        """
        if 3 * len(rows) < len(self.moment):
            return _ratio(self._explained_in_span(rows), float(np.trace(self.moment)))
        state = np.eye(len(self.moment)) + self.alpha * _moment(self.rows, self.scale, rows)
        left = np.linalg.solve(state, self.moment)
        return _ratio(float(np.trace(self.moment) - np.trace(left)), float(np.trace(self.moment)))

    def _explained_in_span(self, rows: np.ndarray) -> float:
        """Σ_j αs_j²/(1+αs_j²)·v_jᵀMv_j, M = Σ_y u_y u_yᵀ/m_y, s_j and v_j of the few rows: outside their span
        (I+αF_S)⁻¹ is the identity.
        """
        _, lengths, axes = np.linalg.svd(self.rows[rows] * self.scale[rows, None], full_matrices=False)
        taken = -np.expm1(-np.log1p(self.alpha * lengths**2))
        return float(taken @ np.einsum("ij,ij->i", axes @ self.moment, axes))

    def cosine(self, rows: np.ndarray) -> float:
        """Of the rows' mean direction with that of the corpus."""
        total = _total(self.rows, self.scale, rows)
        return _ratio(float(total @ self.total), float(np.linalg.norm(total) * np.linalg.norm(self.total)))

    def pull(self, rows: np.ndarray) -> float:
        """‖Σu‖²/Σ‖u‖², the inverse of the gradient diversity of Yin et al. (AISTATS 2018).

        k where all rows agree, 1 where they are orthogonal, below where they oppose each other.
        """
        total = _total(self.rows, self.scale, rows)
        return _ratio(float(total @ total), float(np.count_nonzero(self.scale[rows])))


def _moment(matrix: np.ndarray, scale: np.ndarray, rows: np.ndarray) -> np.ndarray:
    moment = np.zeros((matrix.shape[1], matrix.shape[1]))
    for start, tile in tiles(matrix, rows):
        directions = tile * scale[rows[start : start + len(tile)], None]
        moment += directions.T @ directions
    return moment


def _total(matrix: np.ndarray, scale: np.ndarray, rows: np.ndarray) -> np.ndarray:
    total = np.zeros(matrix.shape[1])
    for start, tile in tiles(matrix, rows):
        total += scale[rows[start : start + len(tile)]] @ tile
    return total


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _explained(value: float, draws: np.ndarray, once: str) -> Sign:
    return Sign(
        name="explains the corpus",
        value=value,
        draws=draws,
        sentence=f"The picks explain {value:.1%} of the directions of all rows' gradients{once}, random rows "
        f"{draws.mean():.1%} ({draws.min():.1%} at least).",
        warning=_below(
            value,
            draws,
            "Their information lies where few rows are, as outliers' does: it need not help tuning. Compare with "
            "--method information, and with random rows.",
        ),
    )


def _towards(value: float, draws: np.ndarray) -> Sign:
    return Sign(
        name="pulls where the corpus pulls",
        value=value,
        draws=draws,
        sentence=f"Their mean direction has a cosine of {value:.2f} with that of all rows, random rows' "
        f"{draws.mean():.2f} ({draws.min():.2f} at least).",
        warning=_below(
            value,
            draws,
            "Tuning on the picks starts off further from where tuning on everything would go than random rows do.",
        ),
    )


def _together(value: float, draws: np.ndarray) -> Sign:
    return Sign(
        name="pulls together",
        value=value,
        draws=draws,
        sentence=f"Their sum, squared, is {value:.2f} times that of orthogonal rows, random rows' {draws.mean():.2f} "
        f"times ({draws.min():.2f} at least).",
        warning=_below(
            value, draws, "A step on these rows cancels more of itself than one on random rows: loss may fall slowly."
        ),
    )


def _below(value: float, draws: np.ndarray, warning: str) -> str:
    return warning if value < draws.min() - _ROUNDING else ""


def _largest(value: float, draws: np.ndarray) -> Sign:
    if np.isnan(value):
        return Sign(
            name="is more than a ranking by size",
            value=value,
            draws=draws,
            sentence="All gradients have the same length: size decides nothing.",
            warning="",
        )
    return Sign(
        name="is more than a ranking by size",
        value=value,
        draws=draws,
        sentence=f"{value:.0%} of the picks are among as many of the largest gradients, {draws.mean():.0%} of random "
        "rows.",
        warning=""
        if value <= _MOSTLY or value <= draws.max()
        else "The choice is mostly a ranking by gradient norm, which short and surprising answers have. Compare with "
        "--normalise unit.",
    )
