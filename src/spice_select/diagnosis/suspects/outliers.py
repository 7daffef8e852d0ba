"""How far a number lies above what rows of its kind show: robust regression within groups, and where to cut.

Both stand against heavy tails and against many outliers: medians and least absolute residuals, no means.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.suspects.base import Found, Suspect
from spice_select.settings.counted import counted

SHRINK = 20
"""Rows at which a group's own spread, and at most its centre, count as much as the pooled ones."""
MOST = 0.5
"""No more than this share of the rows is listed, whatever the scores say."""
_MAD = 1.4826  # a normal's standard deviation over its median absolute deviation


def standardised(
    values: NDArray[np.float64], covariates: NDArray[np.float64], groups: Sequence[str]
) -> NDArray[np.float64]:
    """Residuals of the values after covariates and group, in robust standard deviations of the group.

    Slopes are common to all groups (Huber's M-estimate); centre and spread are each group's median and median absolute
    deviation. Where a group is small they are drawn to the pooled ones: n rows keep n / (n + κ) of their own, with
    κ = `SHRINK` for the spread, and for the centre no more than (spread / distance of the groups' centres)².

    Args:
        values: float64 ``[n]``.
        covariates: float64 ``[n, p]``.
        groups: the group of each, ``[n]``.

    Returns:
        float64 ``[n]``; 0 for all where the residuals have no spread. Cost: some twenty least squares of p unknowns.
    """
    names, member = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    centred, columns = values.astype(np.float64).copy(), covariates.astype(np.float64).copy()
    for group in range(len(names)):
        inside = member == group
        centred[inside] -= np.median(centred[inside])
        columns[inside] -= np.median(columns[inside], axis=0)
    residuals = values - covariates @ _huber(columns, centred)
    own = np.array([np.median(residuals[member == group]) for group in range(len(names))])[member]
    middle, within = float(np.median(residuals)), residuals - own
    spread, apart = _mad(within, 0.0), _mad(own, middle)
    pull = SHRINK if apart <= 0 else min(SHRINK, (spread / apart) ** 2)
    scores = np.zeros(len(values))
    for group in range(len(names)):
        inside = member == group
        n = int(inside.sum())
        centre = (n * own[inside][0] + pull * middle) / (n + pull)
        scale = (n * _mad(within[inside], 0.0) + SHRINK * spread) / (n + SHRINK)
        scores[inside] = (residuals[inside] - centre) / scale if scale > 0 else 0.0
    return scores


def _mad(values: NDArray[np.float64], centre: float) -> float:
    return _MAD * float(np.median(np.abs(values - centre)))


def _huber(columns: NDArray[np.float64], values: NDArray[np.float64], tuning: float = 1.345) -> NDArray[np.float64]:
    """Slopes that minimise Huber's loss, by reweighted least squares; the median residual sets the scale."""
    slopes: NDArray[np.float64] = np.zeros(columns.shape[1])
    weights = np.ones(len(values))
    for _ in range(20):
        root = np.sqrt(weights)
        slopes = np.asarray(np.linalg.lstsq(columns * root[:, None], values * root, rcond=None)[0], np.float64)
        residuals = values - columns @ slopes
        scale = _mad(residuals, float(np.median(residuals)))
        if scale <= 0:
            break
        weights = np.minimum(1.0, tuning * scale / np.maximum(np.abs(residuals), 1e-300))
    return slopes


def listed(
    kind: str, rows: NDArray[np.int64], scores: NDArray[np.float64], cut: float, reason: Callable[[int], str]
) -> Found:
    """The rows whose score is above a cut, `MOST` of all at most, with their scores and what was not listed.

    Args:
        kind: name of the kind.
        rows: int64 ``[n]``, their numbers, ascending.
        scores: float64 ``[n]``; NaN where there is none.
        cut: scores above it are listed.
        reason: what to say of the row at a position.
    """
    above = np.flatnonzero(scores > cut)
    most = int(MOST * len(rows))
    kept = np.sort(above[np.lexsort((rows[above], -scores[above]))][:most])
    suspects = [
        Suspect(row=int(rows[place]), kind=kind, score=float(scores[place]), reason=reason(int(place)))
        for place in kept.tolist()
    ]
    note = ""
    if len(above) > most:
        note = f"{len(above):,} of {len(rows):,} rows are above the cut; the {most:,} highest are listed ({MOST:.0%})."
    elif unknown := int(np.isnan(scores).sum()):
        note = f"{counted(unknown, 'row has', 'rows have')} no score, for the loss is not a number."
    return Found(suspects=suspects, scores=scores, note=note)
