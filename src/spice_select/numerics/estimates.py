"""Means with their standard errors, and differences between two models on the same rows."""

import math
from dataclasses import dataclass

import numpy as np

from spice_select.numerics.arrays import Vector


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number and how far chance may have moved it.

    Attributes:
        value: the estimate; NaN where there is nothing to estimate from.
        stderr: its standard error; NaN for fewer than two rows.
        count: rows it is made from.
    """

    value: float
    stderr: float
    count: int


def row_mean(values: Vector) -> Estimate:
    """The mean of rows drawn independently: standard error s/√n, s with n−1.

    Args:
        values: ``[n]``.
    """
    n = len(values)
    if n == 0:
        return Estimate(value=math.nan, stderr=math.nan, count=0)
    error = float(np.std(values, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Estimate(value=float(np.mean(values)), stderr=error, count=n)


def token_mean(sums: Vector, tokens: Vector) -> Estimate:
    """Σ sums / Σ tokens: the loss per token where rows, not tokens, are drawn independently.

    The standard error is that of a ratio estimator (linearised; Cochran, Sampling Techniques, §6.3):
    √(n/(n−1) Σ(sᵢ − L tᵢ)²) / Σ tᵢ. Tokens of one row hang together, so s/√(number of tokens) would be too small.

    Args:
        sums: ``[n]``, a row's loss summed over its tokens.
        tokens: ``[n]``, how many they are.
    """
    n = len(sums)
    if n == 0:
        return Estimate(value=math.nan, stderr=math.nan, count=0)
    return Estimate(value=float(sums.sum() / tokens.sum()), stderr=_spread(_influence(sums, tokens)), count=n)


def row_difference(values: Vector, against: Vector) -> Estimate:
    """Mean of ``values − against`` over the same rows, both ``[n]``: their pairing takes out what rows share."""
    return row_mean(values - against)


def token_difference(sums: Vector, tokens: Vector, against: Vector, against_tokens: Vector) -> Estimate:
    """Difference of two `token_mean` over the same rows, paired; all ``[n]``.

    The token counts may differ (two tokenizers), although per-token losses then do not mean the same.
    """
    n = len(sums)
    if n == 0:
        return Estimate(value=math.nan, stderr=math.nan, count=0)
    value = float(sums.sum() / tokens.sum() - against.sum() / against_tokens.sum())
    influence = _influence(sums, tokens) - _influence(against, against_tokens)
    return Estimate(value=value, stderr=_spread(influence), count=n)


def _influence(sums: Vector, tokens: Vector) -> Vector:
    """What each row adds to the error of Σ sums / Σ tokens, to first order; they sum to zero."""
    total = tokens.sum()
    return (sums - sums.sum() / total * tokens) / total


def _spread(influence: Vector) -> float:
    n = len(influence)
    return math.sqrt(n / (n - 1) * float(influence @ influence)) if n > 1 else math.nan
