"""All numbers of several choices of one pool, side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.diagnosis.diversity.clusters import cluster_labels
from spice_select.diagnosis.diversity.coverage import group_coverage
from spice_select.diagnosis.diversity.crowding import crowding
from spice_select.diagnosis.diversity.directions import Directions
from spice_select.diagnosis.diversity.distances import cosine_distances
from spice_select.diagnosis.diversity.effective_rank import effective_rank
from spice_select.diagnosis.diversity.equal_draws import equal_draws
from spice_select.diagnosis.diversity.log_det_distance import LogDetDistance, log_det_distances
from spice_select.diagnosis.diversity.nearest import nearest_distance
from spice_select.diagnosis.diversity.novelty import novelsum, paper_novelsum
from spice_select.diagnosis.diversity.overlap import row_overlap
from spice_select.diagnosis.diversity.undefined import UndefinedNumberError
from spice_select.diagnosis.ports import distinct_rows
from spice_select.errors import InputError
from spice_select.numerics.arrays import Rows

COMPARED_ROWS = 2000
"""The most rows of a choice that NovelSum, the nearest distance and the effective rank are taken of."""


@dataclass(kw_only=True)
class Diversity:
    """What one choice covers; None for a number that it does not have, and `missing` says why.

    Attributes:
        rows: rows of the choice.
        compared: rows of it that NovelSum, the nearest distance and the effective rank are taken of, the same number
            for all choices that were measured together.
        supervised_tokens: of all its rows.
        ldd: log-determinant distance; less is more diverse.
        novelsum, novelsum_paper: by the authors' code and by their paper; more is more diverse.
        nearest_distance: mean 1 − cos to the nearest other row.
        effective_rank: dimensions of its directions about the pool's mean.
        source_coverage, cluster_coverage: entropy of its groups over that of the pool's.
        clusters: groups that the pool has for the latter.
        overlaps: Jaccard's index with each other choice.
        missing: for the name of each number that is None, why.
    """

    rows: int
    compared: int
    supervised_tokens: int | None = None
    ldd: LogDetDistance | None = None
    novelsum: float | None = None
    novelsum_paper: float | None = None
    nearest_distance: float | None = None
    effective_rank: float | None = None
    source_coverage: float | None = None
    cluster_coverage: float | None = None
    clusters: int = 0
    overlaps: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready: no number in it is infinite or NaN."""
        return asdict(self)

    def fill(self, name: str, number: Callable[..., Any], *args: Any) -> None:
        """Set a number, or its reason in `missing` where it is not defined."""
        try:
            setattr(self, name, number(*args))
        except UndefinedNumberError as reason:
            self.missing[name] = str(reason)


def measure_diversity(
    features: object,
    choices: Mapping[str, Any],
    *,
    tokens: NDArray[np.integer] | None = None,
    sources: Sequence[str] | None = None,
    control: str | None = "random",
    seed: int = 0,
) -> dict[str, Diversity]:
    """Diversity and coverage of several choices of one pool, by the names of the choices.

    Numbers that change with the number of rows are taken of as many rows of each choice: compare them within one
    result, not between two.

    Args:
        features: ``[n, d]``, hidden states or gradients of the whole pool.
        choices: for each name the positions it chose, int ``[k]``, one or more.
        tokens: ``[n]``, supervised tokens of each row.
        sources: ``[n]``, a label for each row.
        control: the choice that `ldd` is compared with; None for none.
        seed: of everything that is drawn.

    Raises:
        InputError: no choice, positions outside the pool or named twice, tokens or sources of another number of rows,
            the control is not among the choices, or features that cannot be used.

    Cost: for n rows and c choices 2·2000·c·nd flops for the crowding, 2·100·nd for the clusters and what
    `log_det_distances` takes.
    """
    directions = Directions(features)
    checked = _checked(choices, directions.n)
    _refuse_misaligned(directions.n, tokens=tokens, sources=sources)
    drawn = equal_draws(checked, most=COMPARED_ROWS, draws=1, seed=seed)
    found = {name: Diversity(rows=len(rows), compared=len(drawn[name][0])) for name, rows in checked.items()}
    _fill_distances(found, directions, checked, control, seed)
    clusters = cluster_labels(directions, seed=seed)
    groups = None if sources is None else np.unique(np.asarray(sources, dtype=str), return_inverse=True)[1]
    for name, one in found.items():
        rows = checked[name]
        _fill_rows(one, directions, drawn[name][0])
        one.fill("supervised_tokens", _tokens, tokens, rows)
        one.fill("source_coverage", _by_source, groups, rows)
        one.fill("cluster_coverage", group_coverage, clusters, rows)
        one.clusters = len(np.unique(clusters))
        one.overlaps = {other: row_overlap(rows, theirs) for other, theirs in checked.items() if other != name}
    return found


def _fill_distances(
    found: Mapping[str, Diversity], directions: Directions, choices: Mapping[str, Rows], control: str | None, seed: int
) -> None:
    try:
        distances = log_det_distances(directions, choices, control=control, seed=seed)
    except UndefinedNumberError as reason:
        for one in found.values():
            one.missing["ldd"] = str(reason)
        return
    for name, one in found.items():
        one.ldd = distances[name]


def _fill_rows(one: Diversity, directions: Directions, rows: Rows) -> None:
    """What is taken of the rows compared."""
    apart = cosine_distances(directions.unit(rows))
    crowded = crowding(directions, rows)
    one.fill("novelsum", novelsum, apart, crowded)
    one.fill("novelsum_paper", paper_novelsum, apart, crowded)
    one.fill("nearest_distance", nearest_distance, apart)
    one.fill("effective_rank", effective_rank, directions.centred(rows))


def _tokens(tokens: NDArray[np.integer] | None, rows: Rows) -> int:
    if tokens is None:
        raise UndefinedNumberError("the rows' supervised tokens were not given")
    return int(np.asarray(tokens)[rows].sum())


def _by_source(groups: Rows | None, rows: Rows) -> float:
    if groups is None:
        raise UndefinedNumberError("the rows name no source")
    return group_coverage(groups, rows)


def _checked(choices: Mapping[str, Any], n: int) -> dict[str, Rows]:
    if not choices:
        raise InputError("no choice to measure; give one or more by name")
    found = {}
    for name, rows in choices.items():
        try:
            found[name] = distinct_rows(rows, n)
        except InputError as error:
            raise InputError(f"choice {name!r}: {error}") from error
    return found


def _refuse_misaligned(n: int, **columns: Any) -> None:
    for name, column in columns.items():
        if column is not None and len(column) != n:
            raise InputError(f"{len(column)} {name} for a pool of {n} rows; give one for each")
