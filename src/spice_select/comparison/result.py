"""What a comparison found: the facts of every choice, what failed, and where all of it lies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spice_select.comparison.facts import ArmFacts
from spice_select.comparison.ruling import Ruling
from spice_select.diagnosis.diversity import Diversity
from spice_select.errors import PartFailure

RESULTS_FILE = "comparison.json"
Scores = Mapping[str, Mapping[str, Sequence[float]]]
"""Benchmark → arm → its scores, one a seed."""


@dataclass(frozen=True, kw_only=True)
class ArmFailure(PartFailure):
    """An arm that failed; the others went on.

    Attributes:
        arm: its label.
        seed: of the choice, or of the tuning.
        what: ``choice``, ``tuning``, or the name of a benchmark.
    """

    arm: str
    seed: int
    what: str

    @property
    def sentence(self) -> str:
        """Who failed at what, and why."""
        return f"{self.arm}, seed {self.seed}, {self.what}: {self.cause}"


@dataclass(frozen=True, kw_only=True, eq=False)
class MethodsCompared:
    """Methods under one budget.

    Attributes:
        path: the folder of the comparison.
        pool: its name, as given.
        rows: rows that could be chosen.
        budget: as asked.
        supervised: tokens that each might take; None where rows are what is equal.
        curvature: of log det over the pool; None where no arm took gradients.
        facts: of every choice, in the order of the arms.
        overlap: arm → arm → Jaccard's index of their rows, at their first seeds.
        diversity: arm → how diverse its choice of the first seed is; empty where no arm took gradients.
        ruling: what may be said of the tuned arms; None where nothing was tuned, or no run of random.
        scores: of the benchmarks that were asked for.
        failures: what failed.
        notes: what a person should know.
        asked: the settings that were given, as words of the command line.
    """

    path: Path
    pool: str
    rows: int
    budget: str
    supervised: int | None
    curvature: float | None
    facts: Sequence[ArmFacts]
    overlap: Mapping[str, Mapping[str, float]]
    diversity: Mapping[str, Diversity]
    ruling: Ruling | None
    scores: Scores
    failures: Sequence[ArmFailure]
    notes: Sequence[str]
    asked: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "pool": self.pool,
            "rows": self.rows,
            "budget": self.budget,
            "supervised_tokens": self.supervised,
            "curvature": self.curvature,
            "arms": [one.to_json() for one in self.facts],
            "overlap": {arm: dict(others) for arm, others in self.overlap.items()},
            "diversity": {arm: one.to_json() for arm, one in self.diversity.items()},
            "ruling": None if self.ruling is None else self.ruling.to_json(),
            "scores": {name: {arm: list(values) for arm, values in arms.items()} for name, arms in self.scores.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "notes": list(self.notes),
            "asked": list(self.asked),
        }
