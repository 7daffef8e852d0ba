"""SPICE: greedy by information less conflict (arXiv 2601.23155, Algorithm 1)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.greedily import allowed, work
from spice_select.methods.spice_carried import SpiceCarried
from spice_select.progress import Progress
from spice_select.selection import Conflict, GainRatio, LogDet, Objective, greedy
from spice_select.selection.objectives import OBJECTIVES
from spice_select.settings.base import Group
from spice_select.settings.table import literal

if TYPE_CHECKING:
    ObjectiveName = str
else:
    ObjectiveName = literal(OBJECTIVES.names)


class SpiceSettings(Group):
    """The criterion of `--method spice`."""

    objective: ObjectiveName = Field("log-det", description=f"What a choice is worth. {OBJECTIVES.described()}.")
    alpha: float = Field(1.0, gt=0, description="Scale α of the Fisher term in log det(I + αΣ g gᵀ).")
    conflict_weight: float = Field(
        0.1, ge=0, description="Weight λ of the penalty on gradient conflict; 0 turns it off."
    )
    stop_ratio: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Early stop ω: end when the gain falls to this share of the first (SPICE+; paper: 0.5).",
    )
    token_price: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Exponent γ of a row's tokens T: rows are compared by score / T^γ (0: the score, 1: the score per "
        "token). Default: the score; under a budget in tokens the better of two runs, with 0 and with 1.",
    )


class Spice(Method):
    """Greedy by marginal gain of an objective less the conflict penalty, with or without early stop.

    Attributes:
        objective: the information.
        penalty: what is subtracted; None where λ = 0.
        stop: rules that may end a run (in pools: a pool) early.
        price: γ of the score / tokensᵞ that rows are compared by; see `allowed`.
    """

    name: ClassVar[str] = "spice"
    summary: ClassVar[str] = "greedily what adds most information, less a penalty on gradient conflict (the default)"
    source: ClassVar[str] = "arXiv 2601.23155"
    reads: ClassVar[frozenset[str]] = frozenset(
        {"objective", "alpha", "conflict_weight", "stop_ratio", "token_price", "normalise", "row_weight", "carry_state"}
    )

    def __init__(
        self,
        objective: Objective | None = None,
        penalty: Conflict | None = None,
        stop: tuple[GainRatio, ...] = (),
        price: float | None = None,
    ) -> None:
        self.objective = objective or LogDet()
        self.penalty = penalty
        self.stop = stop
        self.price = price

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Method:
        """With `--carry-state` the picker that carries Fisher state and mean from pool to pool."""
        objective = OBJECTIVES[settings["objective"]](alpha=settings["alpha"])
        weight, ratio, price = settings["conflict_weight"], settings["stop_ratio"], settings["token_price"]
        stop = () if ratio is None else (GainRatio(ratio),)
        if settings["carry_state"] and isinstance(objective, LogDet):
            return SpiceCarried(objective, weight, stop, price=price)
        return cls(objective, Conflict(weight=weight) if weight else None, stop, price)

    @classmethod
    def clashes(cls, settings: Mapping[str, Any]) -> list[str]:
        """Only log det can be carried from pool to pool."""
        if settings["carry_state"] and settings["objective"] != "log-det":
            return [
                f"--carry-state with --objective {settings['objective']}: only log det can be carried from pool to "
                "pool exactly. Leave one of them out."
            ]
        return []

    def needs(self) -> tuple[str, ...]:
        """Gradients."""
        return (GRADIENTS,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. Cost: one greedy run, two under a budget in tokens without a price."""
        options = allowed(candidates, allowance, price=self.price)
        options |= {"objective": self.objective, "penalty": self.penalty, "stop": self.stop}
        with progress.task("Selection", *work(allowance, self.price)) as advance:
            return Choice.of(greedy(candidates.matrix, **options, progress=advance))
