"""Rows as points: vectors of length one, as they are or with what all have in common taken out."""

import numpy as np
from numpy.typing import NDArray

from spice_select.features.normalise import normalised
from spice_select.features.poolings import STATES, Pooling
from spice_select.methods.base import Candidates
from spice_select.methods.stepwise import TIE_OF_PICKS, lowest_best
from spice_select.methods.target import TargetSet

_NOTHING_LEFT = 1e-6
"""A length, of a unit vector less the mean, that is rounding."""
_ROUNDING = 1e-12
"""Values of unit vectors that differ by less are equal."""


def unit_points(rows: Candidates | TargetSet, pooling: Pooling) -> NDArray[np.float64]:
    """The rows' hidden states so pooled, float64 ``[n, hidden]`` of length one; zero where there is nothing."""
    return np.asarray(normalised(pooling.directions(rows.features[STATES]), "unit"), np.float64)


def centred(points: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points less a mean ``[hidden]``, of length one again; zero where nothing is left.

    States of language models share a large part: without it their cosines say what tells rows apart.
    """
    rest = points - mean
    lengths = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.divide(rest, lengths, out=np.zeros_like(rest), where=lengths > _NOTHING_LEFT)


def first_best(values: NDArray[np.float64], rows: NDArray[np.int64]) -> int:
    """The position of the largest value ``[n]``; of those equal but for rounding the one of the lowest row number."""
    return lowest_best(values, np.ones(len(values), bool), rows, TIE_OF_PICKS * abs(float(values.max())) + _ROUNDING)
