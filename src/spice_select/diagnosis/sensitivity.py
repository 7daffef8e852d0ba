"""What another λ or another α would have chosen from the same gradients: what the two settings do on this data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spice_select.diagnosis.information import information_of
from spice_select.diagnosis.interaction import conflicting_share, interaction
from spice_select.diagnosis.ports import RecordedPicks, picked_rows
from spice_select.errors import InputError
from spice_select.numerics.features import read

_WEIGHTS = (0.0, 0.1, 0.5, 1.0)
_FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)
_KEPT = 0.99  # a λ is called affordable while it keeps this share of the information that λ = 0 reaches
_FAINT = 0.05  # below this interaction log det is all but a sum of what each row holds alone
_LITTLE = 0.05  # of the picks

Select = Callable[[float, float], RecordedPicks]
"""(α, λ) → the selection with these two and everything else as in the run."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A selection with another α or λ.

    Attributes:
        alpha, conflict_weight: the two settings.
        picks: rows it takes.
        changed: share of these that the run did not take.
        information: log det at the run's α, over that of the run's picks.
        conflicting: share of picks whose gradient opposes the mean of those before; the first of each pool aside.
        interaction: median over the same picks of |ε|/base, at its own α; see `Interaction`.
        largest: share of picks that are among as many rows of the largest norm; NaN where all norms agree.
    """

    alpha: float
    conflict_weight: float
    picks: int
    changed: float
    information: float
    conflicting: float
    interaction: float
    largest: float


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """`weights`: one variant for each λ, ascending, at the run's α; `alphas`: one for each α, at the run's λ."""

    alpha: float
    conflict_weight: float
    weights: tuple[Variant, ...]
    alphas: tuple[Variant, ...]

    @property
    def affordable(self) -> float:
        """The largest λ tried up to which every choice keeps `_KEPT` of the information that λ = 0 reaches."""
        least = _KEPT * self.weights[0].information
        kept = [variant.information >= least for variant in self.weights]
        return self.weights[kept.index(False) - 1 if False in kept else -1].conflict_weight

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the variants say of the run's own λ and α."""
        return (*self._of_weight(), *self._of_alpha())

    def _of_weight(self) -> list[str]:
        free, strongest = self.weights[0], self.weights[-1]
        said = [
            f"λ up to {self.affordable:g} keeps {_KEPT:.0%} of the information that λ = 0 reaches; conflicting picks: "
            f"{free.conflicting:.1%} at λ = 0, {strongest.conflicting:.1%} at λ = {strongest.conflict_weight:g}."
        ]
        if self.conflict_weight and free.changed == 0 and free.picks == self._own.picks:
            said.append(f"λ = {self.conflict_weight:g} chooses the same rows as λ = 0: it does nothing here.")
        return said

    def _of_alpha(self) -> list[str]:
        least, most = self.alphas[0].alpha, self.alphas[-1].alpha
        changed = max(variant.changed for variant in self.alphas)
        verdict = "it hardly matters here" if changed <= _LITTLE else "it matters here"
        said = [f"α from {least:g} to {most:g} changes up to {changed:.1%} of the picks: {verdict}."]
        if self._own.interaction < _FAINT:
            said.append(
                f"What the picks share takes only {self._own.interaction:.1%} off their gains: rows are chosen nearly "
                "as if each stood alone."
            )
        return said

    @property
    def _own(self) -> Variant:
        return next(variant for variant in self.alphas if variant.alpha == self.alpha)


def sensitivity(
    features: Any,
    selection: RecordedPicks,
    select: Select,
    *,
    alpha: float,
    conflict_weight: float,
    weights: Sequence[float] = _WEIGHTS,
    factors: Sequence[float] = _FACTORS,
) -> Sensitivity:
    """Select again with other λ and other α, and say what that changes.

    Args:
        features: [n, d] float, as the selector sees them.
        selection: the run's picks.
        select: makes a selection from α and λ, everything else as in the run.
        alpha, conflict_weight: the run's own.
        weights: the λ to try; 0 and the run's own are added.
        factors: the α to try, as multiples of the run's own; 1 is added.

    Raises:
        InputError: features or indices that cannot be used, a λ below 0 or a factor that is not above 0.

    Cost: one selection for each λ and α, and log det of each one's picks.
    """
    checked = read(features)
    picked = picked_rows(selection, len(checked.array))
    if any(weight < 0 for weight in weights) or any(factor <= 0 for factor in factors):
        raise InputError(f"weights={weights}, factors={factors}: λ must be 0 or above, and a factor of α above 0.")
    rows = checked.compacted
    reached = information_of(rows, picked, alpha)

    def variant(a: float, weight: float) -> Variant:
        found = select(a, weight)
        taken = np.asarray(found.indices)
        return Variant(
            alpha=a,
            conflict_weight=weight,
            picks=len(taken),
            changed=float(1 - np.isin(taken, picked).mean()),
            information=information_of(rows, taken, alpha) / reached if reached > 0 else 1.0,
            conflicting=conflicting_share(found),
            interaction=interaction(found).share,
            largest=share_of_largest(checked.squares, taken),
        )

    return Sensitivity(
        alpha=alpha,
        conflict_weight=conflict_weight,
        weights=tuple(variant(alpha, weight) for weight in sorted({0.0, *weights, conflict_weight})),
        alphas=tuple(variant(alpha * factor, conflict_weight) for factor in sorted({1.0, *factors})),
    )


def share_of_largest(squares: np.ndarray, picked: np.ndarray) -> float:
    """Share of `picked` among as many rows of the largest ‖g‖² (`squares` [n]); NaN where all agree to 10⁻⁶."""
    if squares.max() - squares.min() <= 1e-6 * squares.max():
        return float("nan")
    return float(np.isin(picked, np.argsort(-squares, kind="stable")[: len(picked)]).mean())
