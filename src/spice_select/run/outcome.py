"""What a schedule hands to the writers: the candidates, what was chosen from them, and how good that was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Drop
from spice_select.diagnosis.certificates import Certificate
from spice_select.diagnosis.curvature import Curvature
from spice_select.diagnosis.explained import Explained
from spice_select.diagnosis.versus_random import RandomComparison
from spice_select.errors import InputError
from spice_select.methods.base import Candidates, Choice

if TYPE_CHECKING:  # reading a finished run takes a second; torch would take five more
    from spice_select.gradients.fidelity import Fidelity


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """How good a choice is by its gradients.

    Attributes:
        versus: the picks' information beside random ones'.
        certificate: how near to the best possible it is.
        by_pool: whether that compares pool by pool.
        curvature: what greedy is promised beforehand; None where the rows are not chosen from all at once.
        fidelity: what the sketch does to inner products; None where there is no sketch.
        target: what the picks explain of each task of the target; empty where no target was given.
        held_out: whether that is measured on rows that did not choose.
    """

    versus: RandomComparison
    certificate: Certificate
    by_pool: bool = False
    curvature: Curvature | None = None
    fidelity: "Fidelity | None" = None
    target: Sequence[Explained] = ()
    held_out: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearest:
    """For each pick the row of the target whose gradient points most nearly where its own does.

    Attributes:
        rows: int64 ``[k]``, numbers of rows of the target.
        cosines: float64 ``[k]``.
        where: file and line of each.
    """

    rows: NDArray[np.int64]
    cosines: NDArray[np.float64]
    where: Sequence[str]


def joined_nearest(pools: Sequence[Nearest]) -> Nearest | None:
    """Those of all pools' picks, pool after pool; None for no pools."""
    if not pools:
        return None
    return Nearest(
        rows=np.concatenate([one.rows for one in pools]),
        cosines=np.concatenate([one.cosines for one in pools]),
        where=[where for one in pools for where in one.where],
    )


@dataclass(frozen=True, kw_only=True)
class Automatic:
    """A setting that was left to the data: its name, the number it came to, and why, in words."""

    name: str
    value: float
    why: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a schedule.

    Attributes:
        candidates: the usable rows in ascending order, with the features that were computed.
        choice: the picks; indices are positions in `candidates`.
        judged: how good they are; None where no gradients were taken.
        unusable: rows whose loss or gradient is not a number.
        parts: parts that the gradients lie in; 0 where none were taken.
        outputs: further files of the run folder that the manifest vouches for.
        notes: what the reader of the summary should know.
        nearest: the row of the target nearest to each pick; None where there is none, or no gradients.
        automatic: settings that were left to the data.
    """

    candidates: Candidates
    choice: Choice
    judged: Judgement | None
    unusable: Sequence[Drop] = ()
    parts: int = 0
    outputs: Sequence[str] = ()
    notes: Sequence[str] = ()
    nearest: Nearest | None = None
    automatic: Sequence[Automatic] = ()


def refuse_empty(rows: int, unusable: Sequence[Drop]) -> None:
    """If the gradients failed on every row that was left there is nothing to choose from."""
    if rows == 0:
        raise InputError(
            f"none of the {len(unusable)} rows can be used: the model's loss is not a finite number on any of them. "
            "The weights may be damaged, or the precision too low: try --dtype float32, or another --model."
        )
