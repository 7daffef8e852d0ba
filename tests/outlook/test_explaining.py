"""What picks explain of rows that did not choose them, on features with a planted target and without."""

import numpy as np
import pytest

from spice_select.methods.target import GRADIENTS, TargetSet
from spice_select.numerics.features import Features
from spice_select.outlook.cases import ALIKE_POOL, gains
from spice_select.outlook.explaining import explaining
from spice_select.store import FeatureBlock

D = 120


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def spread(n: int, seed: int) -> np.ndarray:
    """Rows of one decaying spectrum, with a common direction."""
    rows = np.random.default_rng(seed).normal(size=(n, D)) * np.arange(1, D + 1) ** -0.5
    rows[:, 0] += 0.5
    return unit(rows)


def narrow(n: int, seed: int) -> np.ndarray:
    """Rows of a few directions that the others hardly know."""
    rows = np.random.default_rng(seed).normal(size=(n, D)) * 0.02
    rows[:, -6:] += np.random.default_rng(seed + 1).normal(size=(n, 6))
    return unit(rows)


def target(rows: np.ndarray, tasks: list[str] | None = None) -> TargetSet:
    block = FeatureBlock(
        rows=np.arange(len(rows)), columns={}, finite=np.ones(len(rows), bool), features=rows.astype(np.float32)
    )
    return TargetSet(rows=block.rows, tasks=tasks or [""] * len(rows), features={GRADIENTS: block})


def test_a_planted_target_is_explained_far_better_than_by_random_picks() -> None:
    pool = Features(np.vstack([spread(380, 0), narrow(20, 1)]))
    found = explaining(pool, 0.1, target(narrow(16, 5)), target(narrow(12, 9)), seed=0)
    (task,) = found.tasks
    assert gains(task, found.pool)
    assert task.rows == 12, "those that judge"
    assert task.ratio > 2
    assert found.likeness[""] < ALIKE_POOL
    assert found.picks == 40
    assert found.pool.rows == 200, "the other half of the sample"
    assert len(task.draws) == 20


def test_a_target_like_the_pool_is_not() -> None:
    found = explaining(Features(spread(400, 0)), 0.1, target(spread(32, 5)), target(spread(32, 9)), seed=0)
    (task,) = found.tasks
    assert not gains(task, found.pool)
    assert found.likeness[""] == pytest.approx(1.0, abs=0.15)
    assert found.pool.ratio < 1.25


def test_tasks_are_judged_one_by_one() -> None:
    pool = Features(np.vstack([spread(380, 0), narrow(20, 1)]))
    tasks = ["near"] * 8 + ["far"] * 8
    choosing = target(np.vstack([spread(8, 5), narrow(8, 6)]), tasks)
    judging = target(np.vstack([spread(8, 7), narrow(8, 8)]), tasks)
    found = explaining(pool, 0.1, choosing, judging, seed=0)
    assert [(one.task, gains(one, found.pool)) for one in found.tasks] == [("near", False), ("far", True)]
    assert found.likeness["far"] < found.likeness["near"]


def test_the_seed_decides_and_few_rows_give_ten_picks() -> None:
    pool = Features(spread(60, 0))
    first, again, other = (explaining(pool, 0.01, seed=seed) for seed in (0, 0, 1))
    assert first.pool.share == again.pool.share != other.pool.share
    assert first.picks == 10
    assert first.tasks == ()
