"""The λ of the rule is the least of the naive sweep that fits, and 0 with the reason where none does."""

import numpy as np
import pytest

from spice_select.diagnosis.least_weight import CHANCE, GRID, least_weight
from spice_select.selection import Conflict, LogDet, greedy

from .examples import information, naive


def planted(n=40, against=10, seed=0, angle=0.6):
    """Rows with a common direction, and some that point against it and are otherwise more alike to none."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((n, 12))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    common = np.zeros(12)
    common[0] = angle
    rows = 0.7 * rows + np.where(np.arange(n)[:, None] < against, -common, common)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) * random.uniform(0.8, 1.2, (n, 1))  # so that none tie


def share(picks):
    return float(np.mean(picks.conflicts[1:] > 0))


def swept(rows, k, alpha):
    """The rule from its definition, every selection by the slow greedy."""
    draws = [np.random.default_rng((9, number)).choice(len(rows), k, replace=False) for number in range(CHANCE)]
    chance = np.mean([_share_in_order(rows, draw.tolist()) for draw in draws])
    choices = {weight: naive(rows, k, alpha, weight) for weight in GRID}
    free = information(rows, choices[0.0].indices, alpha)
    fitting = [
        weight
        for weight, picks in choices.items()
        if share(picks) <= chance and information(rows, picks.indices, alpha) >= 0.99 * free
    ]
    return min(fitting, default=None), draws, chance


def _share_in_order(rows, order):
    means = (rows[order[:t]].mean(axis=0) for t in range(1, len(order)))
    return float(np.mean([rows[x] @ mean < 0 for x, mean in zip(order[1:], means, strict=True)]))


def found_by(rows, k, alpha, draws):
    objective = LogDet(alpha)
    return least_weight(
        rows,
        lambda weight: greedy(rows, k, objective=objective, penalty=Conflict(weight)),
        lambda number: greedy(rows, k, objective=objective, initial=draws[number]),
        alpha=alpha,
    )


@pytest.mark.parametrize("alpha", [0.3, 1.0, 10.0])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_least_of_the_naive_sweep_that_fits(alpha, seed):
    rows = planted(seed=seed)
    expected, draws, chance = swept(rows, 8, alpha)
    found = found_by(rows, 8, alpha, draws)
    assert found.chance == pytest.approx(chance)
    assert (found.weight, found.fits) == ((0.0, False) if expected is None else (expected, True))
    assert [tried.weight for tried in found.tried] == list(GRID[: len(found.tried)])


def test_the_planted_rows_take_every_way_out():
    """So that the sweep above tests something: a λ between, none at all, and 0 at once."""
    results = {swept(planted(seed=seed), 8, alpha)[0] for alpha in (0.3, 1.0, 10.0) for seed in range(6)}
    assert None in results
    assert len(results - {None, 0.0}) >= 1


def test_rows_that_never_conflict_need_no_penalty():
    rows = np.abs(planted())
    found = found_by(rows, 8, 1.0, swept(rows, 8, 1.0)[1])
    assert (found.weight, found.fits, len(found.tried)) == (0.0, True, 1)
    assert found.sentence.startswith("0 by rule")


def test_where_none_fits_it_is_0_with_the_reason():
    """Random picks never conflict, whatever is selected does: the aim cannot be met."""
    rows = planted()
    bad = greedy(np.vstack([np.eye(3), -np.eye(3)]), 6)
    good = greedy(np.abs(rows), 6)
    found = least_weight(rows, lambda weight: bad, lambda number: good, alpha=1.0)
    assert (found.weight, found.fits, len(found.tried)) == (0.0, False, len(GRID))
    assert "no λ up to 1" in found.sentence


def test_work_is_told():
    rows, done = planted(), list[int]()
    objective, draws = LogDet(1.0), swept(planted(), 8, 1.0)[1]
    found = least_weight(
        rows,
        lambda weight: greedy(rows, 8, objective=objective, penalty=Conflict(weight)),
        lambda number: greedy(rows, 8, objective=objective, initial=draws[number]),
        alpha=1.0,
        progress=done.append,
    )
    assert sum(done) == CHANCE + len(found.tried)
