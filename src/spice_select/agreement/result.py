"""What was found: how far two models' selections and gradients agree."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from spice_select.agreement.chance import Chance


@dataclass(frozen=True, kw_only=True)
class SourceShares:
    """What each model picked of a source.

    Attributes:
        source: the group.
        rows: its rows in the sample.
        ours, theirs: rows of it picked with the run's model, and with the other.
    """

    source: str
    rows: int
    ours: int
    theirs: int


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Agreement of a run's model with another on a sample of the corpus.

    Attributes:
        run: the run folder.
        ours, theirs: the two models.
        kinship: whether they are of one family, in a sentence.
        rows: rows compared.
        picks: rows that each chose, k.
        overlap: rows that both chose.
        chance: what two blind picks would have in common.
        ceiling: rows in common between the run's model and itself under another seed of sketch and LoRA; None where
            it was not asked for.
        jaccard: overlap / union.
        norms, losses, base_gains: Spearman's ρ of gradient norms, response losses, and base gains log(1+α‖g‖²) over
            the rows; NaN where one does not vary.
        cosines: Spearman's ρ of the cosines between all pairs of rows.
        alignment: debiased CKA of the cosine matrices.
        sources: picks by source; empty where rows name none.
        notes: what a person should know.
    """

    run: str
    ours: str
    theirs: str
    kinship: str
    rows: int
    picks: int
    overlap: int
    chance: Chance
    ceiling: int | None
    jaccard: float
    norms: float
    losses: float
    base_gains: float
    cosines: float
    alignment: float
    sources: tuple[SourceShares, ...]
    notes: tuple[str, ...]

    @property
    def share(self) -> float:
        """Picks in common, as a share of the picks."""
        return self.overlap / self.picks

    @property
    def sentence(self) -> str:
        """The verdict, plainly."""
        chance, numbers = self.chance, f"{self.overlap} of {self.picks} picks in common"
        by_chance = f"chance gives {chance.mean:.1f} ({chance.low} to {chance.high} in 19 of 20 cases)"
        ceiling = (
            "" if self.ceiling is None else f"; the run's model under another seed agrees with itself on {self.ceiling}"
        )
        if self.overlap > chance.high:
            return f"The two models choose alike: {numbers}, where {by_chance}{ceiling}."
        if self.overlap < chance.low:
            return f"The two models choose differently: {numbers}, where {by_chance}{ceiling}."
        return f"No agreement beyond chance was seen: {numbers}, where {by_chance}{ceiling}."

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; what is not a number is null."""
        content = {**asdict(self), "share": self.share, "sentence": self.sentence}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in content.items()
        }
