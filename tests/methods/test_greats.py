"""GREATS: the worked example, the definition, and the rate that a moment brings."""

from dataclasses import replace

import numpy as np
import pytest

from spice_select.methods.base import GRADIENTS
from spice_select.methods.budget import Allowance
from spice_select.methods.greats import Greats
from spice_select.methods.moment import Moment
from spice_select.progress import Silent
from spice_select.selection import PredictedDrop, greedy, naive
from spice_select.testing.method import sample_candidates
from spice_select.testing.selection import degenerate, require_same, sample_features

ROWS, TARGET = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 0.8]]), np.array([[1.0, 0.5]])


@pytest.mark.parametrize(
    ("rate", "picks", "gains"), [(1.0, [0, 2], [1.0, 0.4]), (1e-3, [0, 1], [1e-3, 0.95e-3 - 0.9e-6])]
)
def test_the_worked_example(rate: float, picks: list[int], gains: list[float]) -> None:
    """Scores 1, .95, .4; after row 0 they are .05 and .4 at η = 1, and all but unchanged at η = 10⁻³."""
    found = greedy(ROWS, 2, objective=PredictedDrop(TARGET, rate))
    assert found.indices.tolist() == picks
    np.testing.assert_allclose(found.gains, gains, rtol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_fast_picks_are_naive_picks(seed: int) -> None:
    features = degenerate(sample_features("heavy", 24, 6, seed), seed)
    objective = PredictedDrop(sample_features("iso", 5, 6, seed + 1), 0.2)
    require_same(greedy(features, 20, objective=objective), naive(features, 20, objective=objective), "drop")


def by_hand(rows: np.ndarray, target: np.ndarray, rate: float, k: int) -> list[int]:
    """Score, pick, subtract, again."""
    score, picked = rate * rows @ target.mean(axis=0), list[int]()
    for _ in range(k):
        best = max((row for row in range(len(rows)) if row not in picked), key=lambda row: score[row])
        picked.append(best)
        score = score - rate**2 * rows @ rows[best]
    return picked


def test_gradients_count_as_they_come_and_the_rate_is_the_moments() -> None:
    candidates = replace(sample_candidates(features=(GRADIENTS,), target=True), normalise="unit")
    assert candidates.target is not None
    raw, wanted = (side.features[GRADIENTS].features.astype(float) for side in (candidates, candidates.target))
    chosen = {}
    for rate in (1e-3, 0.3):
        now = replace(candidates, moment=Moment(updates=2, rate=rate))
        choice = Greats(7.0).choose(now, Allowance(rows=9), seed=0, progress=Silent())
        chosen[rate] = choice.indices.tolist()
        assert chosen[rate] == by_hand(raw, wanted, rate, 9)
    assert chosen[1e-3] != chosen[0.3]
    still = Greats(0.3).choose(candidates, Allowance(rows=9), seed=0, progress=Silent())
    assert still.indices.tolist() == chosen[0.3]
