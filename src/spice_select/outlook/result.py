"""What was found: the numbers, the case, and what to run next."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spice_select.diagnosis.common_direction import DrawnAlignment
from spice_select.diagnosis.explained import Explained
from spice_select.outlook.cases import NONE, Finding
from spice_select.outlook.mismatches import Mismatches
from spice_select.outlook.texts import Texts


@dataclass(frozen=True, kw_only=True, eq=False)
class Headroom:
    """What a choice could gain on a pool.

    Attributes:
        pool: its name, as given.
        target: the target's files; none without one.
        model: the proxy.
        rows: usable rows of the pool that do not stand in the target.
        sampled: rows that gradients were taken of.
        picks: rows that the budget is, of all.
        common: ρ, the mean cosine of two rows' gradients, in the sample.
        alignment: cosine of a random draw of `picks` rows with the mean gradient of a pool without end.
        drawn: the same drawn from the sample, at the budget's share of it.
        texts: rows that repeat others, and other suspects.
        mismatches: answers that do not seem to belong to their questions, in the sample; None of preference pairs.
        explained: what picks from one half of the sample explain of the other.
        tried: rows that were picked of the sample for the target.
        tasks: what these explain of the held-out rows of each task of the target; none without one.
        likeness: task → what random rows explain of it, over what they explain of the pool.
        cases: what the data are, in the order of what was gained; none where random picks are as good as any.
        sentence: the verdict in words.
        commands: what to run next.
        notes: what a person should know.
    """

    pool: str
    target: tuple[str, ...]
    model: str
    rows: int
    sampled: int
    picks: int
    common: float
    alignment: float
    drawn: DrawnAlignment
    texts: Texts
    mismatches: Mismatches | None
    explained: Explained
    tried: int
    tasks: Sequence[Explained]
    likeness: Mapping[str, float]
    cases: tuple[Finding, ...]
    sentence: str
    commands: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The first case by name; `none` where there is none."""
        return self.cases[0].name if self.cases else NONE

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; what is not a finite number is null."""
        found, drawn = self.mismatches, self.drawn
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "commands": list(self.commands),
            "cases": [asdict(case) for case in self.cases],
            "pool": self.pool,
            "target": list(self.target),
            "model": self.model,
            "rows": self.rows,
            "sampled": self.sampled,
            "picks": self.picks,
            "mean_cosine": self.common,
            "alignment": self.alignment,
            "drawn": {
                "picks": drawn.picks,
                "mean": float(drawn.cosines.mean()),
                "std": float(drawn.cosines.std(ddof=1)),
                "draws": len(drawn.cosines),
                "expected": drawn.expected,
            },
            "texts": asdict(self.texts),
            "mismatches": None
            if found is None
            else {**asdict(found), "telling": found.telling, "share": found.share, "wrong": found.wrong},
            "explained": _in_numbers(self.explained),
            "tried": self.tried,
            "tasks": [
                {"task": one.task, "likeness": self.likeness[one.task], **_in_numbers(one)} for one in self.tasks
            ],
            "notes": list(self.notes),
        }


def _in_numbers(found: Explained) -> dict[str, Any]:
    numbers = {"share": found.share, "mean": found.mean, "std": found.std, "ratio": found.ratio, "z": found.z}
    kept = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return {"rows": found.rows, "draws": len(found.draws), **kept}
