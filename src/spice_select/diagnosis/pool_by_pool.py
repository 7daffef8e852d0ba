"""How good the picks of many pools were: each pool is a problem of its own, and the sums are what is reported.

Gradients of different pools belong to different states of the proxy, so a log det over all of them together would mix
what no model ever saw at once. Within a pool everything is at one state. The bounds of the pools add up, since the
best choice of all pools is the best of each.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.certificates import Certificate, certificate
from spice_select.diagnosis.information import information_of
from spice_select.diagnosis.ports import Picks
from spice_select.diagnosis.versus_random import RANDOM_DRAWS, RandomComparison
from spice_select.numerics.features import Features
from spice_select.selection import LogDet


@dataclass(frozen=True, eq=False)
class PoolResult:
    """One pool judged.

    Attributes:
        information: log det over the picks, given the carried state if there is one.
        draws: float64 ``[RANDOM_DRAWS]``, the same for random picks of as many rows of this pool.
        certificate: the proven bound.
    """

    information: float
    draws: NDArray[np.float64]
    certificate: Certificate


def judge_pool(
    seen: Features,
    picked: Picks,
    objective: LogDet,
    *,
    seed: int,
    pool: int,
    costs: NDArray[np.int64] | None = None,
) -> PoolResult:
    """Judge the picks of one pool.

    Args:
        seen: ``[m, d]``, the rows as the selector saw them: whitened by the carried state where there is one.
        picked: positions in `seen`, one or more.
        objective: log det, for its α.
        seed: of the random picks.
        pool: its number.
        costs: ``[m]``, tokens of the rows under a budget in tokens: the bound is then for any rows of this pool that
            have no more together than the picks. What the pool left is the next one's, and counts there.

    Cost: O(m²d) for m < d.
    """
    draws = []
    for draw in range(RANDOM_DRAWS):
        rows = np.random.default_rng((seed, pool, draw)).choice(len(seen), len(picked.indices), replace=False)
        draws.append(information_of(seen.array, rows, objective.alpha))
    return PoolResult(
        information=information_of(seen.array, picked.indices, objective.alpha),
        draws=np.array(draws),
        certificate=certificate(seen, picked, objective, **_spent(picked, costs)),
    )


def _spent(picked: Picks, costs: NDArray[np.int64] | None) -> dict[str, Any]:
    return {} if costs is None else {"costs": costs, "max_cost": float(costs[picked.indices].sum())}


def total(results: Sequence[PoolResult]) -> tuple[RandomComparison, Certificate]:
    """The sums over all pools. The ratio is the proven information over the sum of the bounds."""
    proofs = [result.certificate for result in results]
    costs = [proof.max_cost for proof in proofs]
    bound = sum(proof.bound for proof in proofs)
    proven = sum(proof.ratio * proof.bound for proof in proofs)
    information = sum(result.information for result in results)
    best = Counter(proof.best for proof in proofs).most_common(1)[0][0]
    return (
        RandomComparison(information=information, draws=np.sum([result.draws for result in results], axis=0)),
        Certificate(
            information=information,
            bound=bound,
            ratio=min(1.0, proven / bound) if bound > 0 else 1.0,
            bounds=MappingProxyType({f"{best}, summed over pools": bound}),
            best=f"{best}, summed over pools",
            k=sum(proof.k for proof in proofs),
            n=sum(proof.n for proof in proofs),
            steps=max(proof.steps for proof in proofs),
            seconds=sum(proof.seconds for proof in proofs),
            max_cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        ),
    )
