"""What a schedule hands to the writers: the features, what was chosen from them, and how good that was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spice_select.data.records import Drop
from spice_select.diagnosis.certificates import Certificate
from spice_select.diagnosis.curvature import Curvature
from spice_select.diagnosis.versus_random import RandomComparison
from spice_select.errors import InputError
from spice_select.selection import Selection
from spice_select.store import FeatureBlock

if TYPE_CHECKING:  # reading a finished run takes a second; torch would take five more
    from spice_select.gradients.fidelity import Fidelity

RANDOM_DRAWS = 10
"""Random picks of the same size that a selection's information is compared with."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a schedule.

    Attributes:
        parts: parts that the features lie in.
        features: the usable rows, in ascending order.
        unusable: rows whose loss or gradient is not a number.
        selection: the picks; indices are positions in `features`.
        versus: the picks' information beside random ones'.
        certificate: how near to the best possible it is.
        by_pool: whether that compares pool by pool.
        curvature: what greedy is promised beforehand; None where the rows are not chosen from all at once.
        fidelity: what the sketch does to inner products; None where there is no sketch.
        outputs: further files of the run folder that the manifest vouches for.
        notes: what the reader of the summary should know.
    """

    parts: int
    features: FeatureBlock
    unusable: Sequence[Drop]
    selection: Selection
    versus: RandomComparison
    certificate: Certificate
    fidelity: "Fidelity | None"
    curvature: Curvature | None = None
    by_pool: bool = False
    outputs: Sequence[str] = ()
    notes: Sequence[str] = ()


def refuse_empty(features: FeatureBlock, unusable: Sequence[Drop]) -> None:
    """If the gradients failed on every row that was left there is nothing to choose from."""
    if len(features.rows) == 0:
        raise InputError(
            f"none of the {len(unusable)} rows can be used: the model's loss is not a finite number on any of them. "
            "The weights may be damaged, or the precision too low: try --dtype float32, or another --model."
        )
