"""What every row would gain if it were picked next: the score that a rejected row ends with."""

import numpy as np

from spice_select.diagnosis.ridge import Ridge, left_of
from spice_select.diagnosis.threads import fitting_threads
from spice_select.numerics.arrays import Rows, Vector
from spice_select.numerics.features import Features
from spice_select.numerics.tiles import gram, tiles
from spice_select.selection.objectives import LogDet, Objective, TargetVariance
from spice_select.selection.objectives.target_information import TargetInformationState
from spice_select.selection.penalties.base import Penalty


def next_gains(objective: Objective, features: Features, picks: Rows) -> Vector:
    """The marginal gain of every row given the picks, float64 ``[n]``; that of a pick is of a second copy of it.

    Log det and variances in closed form, tile by tile; of any other objective the state is brought to the picks, which
    costs what choosing by it did.

    Args:
        objective: what the choice was worth.
        features: ``[n, d]``.
        picks: positions; none for what each would have gained as the first pick.

    Cost: log det O(ndr + r³) with r = min(k, d); a variance O(nd²) more, and d² numbers, min(n, d) for d where it is
    the pool's own; a target's information O(ndm + (n + k)m²) for its m rows; any other that of adding the picks one by
    one.
    """
    with fitting_threads(min(features.array.shape)):
        if type(objective) is LogDet:
            ridge = Ridge(features.rows(picks), objective.alpha)
            return np.asarray(np.log1p(objective.alpha * left_of(features, ridge)), np.float64)
        if isinstance(objective, TargetVariance):
            return _of_variance(objective, features, picks)
        state = objective.state(features.ready if objective.by_rows else features.dense)
        if isinstance(state, TargetInformationState):
            state.add_together(picks)
            return state.gains(np.arange(features.n))
        for pick in picks.tolist():
            state.add(pick)
        return state.gains(np.arange(features.n))


def next_penalties(penalty: Penalty, features: Features, picks: Rows) -> Vector:
    """The unweighted penalty of every row given the picks, float64 ``[n]``. O((n + k)d)."""
    everything = np.arange(features.n)
    step = max(1, len(everything) if features.d == 0 else (1 << 22) // features.d)
    parts = [everything[start : start + step] for start in range(0, features.n, step)]
    return np.concatenate([penalty.values(features.array, picks, part) for part in parts])


def _of_variance(objective: TargetVariance, features: Features, picks: Rows) -> Vector:
    """α·(Px)ᵀT(Px) / (1 + α·xᵀPx) with T = Σ w_y g_y g_yᵀ over what is to be known; see `TargetVariance`."""
    if objective.target is None:
        pool = features.compacted  # inner products are all there is to it
        wanted = gram(pool, weights=objective.weights(features.array))
    else:
        pool, wanted = features.array, objective.spread(features.array)
    ridge, gained = Ridge(pool[picks].astype(np.float64), objective.alpha), list[Vector]()
    for _, tile in tiles(pool):
        rest, left = ridge.residuals(tile)
        reach = np.einsum("ij,ij->i", rest @ wanted, rest)
        gained.append(objective.alpha * reach / (1.0 + objective.alpha * left))
    return np.concatenate(gained)
