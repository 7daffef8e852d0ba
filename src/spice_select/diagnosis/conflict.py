"""How much the picks, and the rows at large, pull against one another."""

from dataclasses import dataclass

import numpy as np

from spice_select.diagnosis.epsilon import decompose
from spice_select.diagnosis.ports import Picks
from spice_select.errors import InputError
from spice_select.numerics.features import read
from spice_select.numerics.pairs import row_pairs
from spice_select.numerics.tiles import tile_rows, tiles
from spice_select.selection.objectives.logdet import LogDet

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
PAIRS = 100_000


@dataclass(frozen=True, kw_only=True)
class PairCosines:
    """Cosines of `count` different pairs of rows: their mean, standard deviation, share below zero and quantiles."""

    mean: float
    std: float
    negative: float
    quantiles: tuple[float, ...]
    count: int


@dataclass(frozen=True, kw_only=True)
class ConflictStatistics:
    """`conflicting` is the share of picks (the first of each pool aside) that point away from the mean before them.

    `mean_conflict` is the mean hinge over all such picks; `quantiles` are those of the cosine with that mean, at
    `QUANTILES`; `selected` and `pool` describe pairs of picks and pairs of all rows.
    """

    conflicting: float
    mean_conflict: float
    quantiles: tuple[float, ...]
    selected: PairCosines
    pool: PairCosines


def pair_cosines(features: object, *, pairs: int = PAIRS, seed: int = 0) -> PairCosines:
    """Cosines of pairs of rows of `features` [n, d]: all of them if there are at most `pairs`, else a seeded sample.

    Zero rows have no direction and are left out. Raises InputError if fewer than two rows are left, or pairs < 1.
    Cost: 2·pairs·d flops, read in blocks.
    """
    matrix = read(features).array
    if pairs < 1:
        raise InputError(f"pairs is {pairs}; 1 or more is needed")
    rows = np.flatnonzero(np.concatenate([np.any(tile != 0, axis=1) for _, tile in tiles(matrix)]))
    if len(rows) < 2:
        raise InputError(f"{len(rows)} of {len(matrix)} rows are not zero; a cosine needs two")
    left, right = row_pairs(len(rows), pairs, seed)
    size = tile_rows(matrix.shape[1])
    blocks = (slice(start, start + size) for start in range(0, len(left), size))
    cosines = np.concatenate([_row_cosines(matrix, rows[left[b]], rows[right[b]]) for b in blocks])
    return PairCosines(
        mean=float(cosines.mean()),
        std=float(cosines.std()),
        negative=float((cosines < 0).mean()),
        quantiles=_quantiles(cosines),
        count=len(cosines),
    )


def conflict_statistics(
    features: object, selection: Picks, objective: LogDet, *, pairs: int = PAIRS, seed: int = 0
) -> ConflictStatistics:
    """How often and how strongly the picks conflict. Raises InputError for a selection of fewer than two rows."""
    matrix = read(features).array
    parts = decompose(matrix, selection, objective)
    later = parts.cosines[~parts.firsts]
    if not len(later):
        raise InputError("each pool has one pick only: there is nothing before it to conflict with; pick more rows")
    return ConflictStatistics(
        conflicting=float((later < 0).mean()),
        mean_conflict=float(np.maximum(0, -later).mean()),
        quantiles=_quantiles(later),
        selected=pair_cosines(matrix[np.asarray(selection.indices)], pairs=pairs, seed=seed),
        pool=pair_cosines(matrix, pairs=pairs, seed=seed),
    )


def _row_cosines(matrix: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    a, b = matrix[left].astype(np.float64), matrix[right].astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.clip(np.einsum("ij,ij->i", a, b) / lengths, -1, 1)


def _quantiles(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(q) for q in np.quantile(values, QUANTILES))
