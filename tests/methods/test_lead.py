"""LEAD's parts by their worked examples, and the whole against a version written from the description."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spice_select.methods.budget import Allowance
from spice_select.methods.exp3 import Exp3, min_max
from spice_select.methods.helped import ratios
from spice_select.methods.lead import IFD_CLUSTERS, Lead
from spice_select.methods.moment import Moment
from spice_select.methods.scalar_clusters import scalar_clusters
from spice_select.methods.smoothing import best_share, smoothed
from spice_select.progress import Silent
from spice_select.testing.method import sample_candidates


def test_the_bandits_worked_example() -> None:
    """K = 3, γ = .1: reward .6 of an arm drawn with ⅓ makes its weight e^.06 = 1.0618 of the others'."""
    bandit = Exp3(np.ones(3))
    np.testing.assert_allclose(bandit.probabilities, 1 / 3)
    paid = bandit.paid(1, 0.6, bandit.probabilities[1])
    assert paid.weights[1] / paid.weights[0] == pytest.approx(np.exp(0.06))
    np.testing.assert_allclose(paid.probabilities, [0.3273, 0.3455, 0.3273], atol=5e-5)


def test_a_bandit_that_is_paid_for_ever_goes_on_exploring() -> None:
    bandit = Exp3(np.ones(4))
    for _ in range(5000):
        bandit = bandit.paid(2, 1.0, 0.1)
    np.testing.assert_allclose(bandit.probabilities, [0.025, 0.025, 0.925, 0.025])


def test_rewards_are_scaled_by_what_has_been_seen() -> None:
    assert [min_max([3.0]), min_max([3.0, 3.0]), min_max([3.0, 5.0]), min_max([3.0, 5.0, 3.5])] == [0, 0, 1, -0.5]


def bracket(share: float, now: float, before: float, cosine: float) -> float:
    """The squared length of share·g + (1 − share)·h."""
    return share**2 * now + (1 - share) ** 2 * before + 2 * share * (1 - share) * np.sqrt(now * before) * cosine


@pytest.mark.parametrize(
    ("now", "before", "cosine", "share", "least"), [(1, 2, 0.2, 0.7054, 0.7888), (4, 1, 0.5, 0.0, 1.0)]
)
def test_the_best_shares_worked_examples(now, before, cosine, share, least) -> None:
    assert best_share(now, before, cosine) == pytest.approx(share, abs=5e-5)
    assert bracket(share, now, before, cosine) == pytest.approx(least, abs=2e-4)
    assert bracket(0.5, 4, 1, 0.5) == pytest.approx(1.75)


@given(now=st.floats(0.1, 9), before=st.floats(0.1, 9), cosine=st.floats(-0.9, 0.9))
def test_no_share_is_better_than_the_best(now: float, before: float, cosine: float) -> None:
    best = best_share(now, before, cosine)
    for other in np.linspace(-2, 3, 51):
        assert bracket(best, now, before, cosine) <= bracket(other, now, before, cosine) + 1e-9


def test_equal_gradients_leave_the_share_open() -> None:
    assert best_share(2.0, 2.0, 1.0) == 1.0


def test_a_tenth_of_a_loss_enters_each_time_it_is_seen() -> None:
    once = smoothed(np.array([2.0, 1.0]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(once, [1.9, 1.0])
    np.testing.assert_allclose(smoothed(once, np.array([1.0, 1.0])), [1.81, 1.0])


def test_clusters_of_numbers() -> None:
    values = np.array([0.5, 9.0, 0.52, 5.0, 5.1, 0.48, 9.2])
    assert scalar_clusters(values, 3).tolist() == [0, 2, 0, 1, 1, 0, 2]
    assert len(set(scalar_clusters(np.full(5, 0.7), 7).tolist())) == 1
    draw = np.random.default_rng(0).random(400)
    labels = scalar_clusters(draw, 7)
    centres = np.array([draw[labels == label].mean() for label in range(7)])
    assert (np.abs(draw[:, None] - centres).argmin(axis=1) == labels).all(), "each has the nearest centre"


def by_hand(pools, whole, seed: int, k: int) -> tuple[list[list[int]], list[float], np.ndarray]:
    """Row numbers picked in each pool, the rewards, and the probabilities at the end, step by step."""
    ratio = dict(zip(whole.rows.tolist(), scalar_clusters(ratios(whole), 7).tolist(), strict=True))
    start = dict(zip(whole.rows.tolist(), whole.features["losses"].losses.tolist(), strict=True))
    weights, last, history, rewards, picks = np.ones(7), {}, [], [], []
    for number, pool in enumerate(pools):
        chances = 0.9 * weights / weights.sum() + 0.1 / 7
        there = sorted({ratio[row] for row in pool.rows.tolist()})
        own = np.array([chances[cluster] for cluster in there])
        own = own / own.sum()
        order = np.random.default_rng((seed, number)).choice(len(there), len(there), replace=False, p=own)
        now = dict(zip(pool.rows.tolist(), pool.features["gradients"].losses.tolist(), strict=True))
        taken: list[int] = []
        for turn in order:
            rows = [row for row in now if ratio[row] == there[turn]]
            taken += sorted(rows, key=lambda row: (-(0.9 * start[row] + 0.1 * now[row]), row))
        picks.append(taken[:k])
        drawn = there[order[0]]
        level = np.mean([now[row] - start[row] for row in taken[:k] if ratio[row] == drawn])
        if drawn in last and last[drawn][0] < pool.moment.updates:
            history.append(last[drawn][2] - level)
            spread = max(history) - min(history)
            rewards.append(0.0 if spread == 0 else 2 * (history[-1] - min(history)) / spread - 1)
            weights[drawn] *= np.exp(0.1 / 7 * rewards[-1] / last[drawn][1])
        last[drawn] = (pool.moment.updates, own[order[0]], level)
    return picks, rewards, 0.9 * weights / weights.sum() + 0.1 / 7


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_the_description_says(seed: int) -> None:
    whole = sample_candidates(240, 4, seed=seed, features=Lead().needs())
    order = np.random.default_rng(seed).permutation(240)
    pools = []
    for number in range(12):
        pool = whole.take(order[20 * number : 20 * (number + 1)])
        block = pool.features["gradients"]
        later = {**block.columns, "loss": pool.features["losses"].losses * (1 - 0.02 * number) + 0.01 * block.losses}
        features = {"gradients": replace(block, columns=later)}
        pools.append(replace(pool, features=features, moment=Moment(updates=number // 2, rate=1e-4)))
    method = Lead().fresh(whole)
    found = [
        pool.rows[method.choose(pool, Allowance(rows=3), seed=(seed, number), progress=Silent()).indices].tolist()
        for number, pool in enumerate(pools)
    ]
    picks, rewards, chances = by_hand(pools, whole, seed, 3)
    assert found == picks
    assert len(rewards) >= 2
    assert any(rewards)
    np.testing.assert_allclose(method._bandit.probabilities, chances, rtol=1e-12)
    choice = Lead().fresh(whole).choose(pools[0], Allowance(rows=1), seed=0, progress=Silent())
    said = method.notes(whole, choice)[0]
    assert f"paid {len(rewards)} times" in said
    assert ", ".join(f"{chance:.2f}" for chance in chances) in said
    again = method.fresh(whole)
    assert "paid 0 times" in again.notes(whole, choice)[0]


def test_losses_that_are_sums_are_means_over_the_tokens() -> None:
    whole = sample_candidates(40, 4, features=Lead().needs())
    block = whole.features["gradients"]
    sums = {**block.columns, "loss": block.losses * block.supervised}
    summed = replace(whole, features={"gradients": replace(block, columns=sums)})
    chosen = [
        method.fresh(whole).choose(candidates, Allowance(rows=9), seed=3, progress=Silent())
        for method, candidates in ((Lead(), whole), (Lead.of({"loss": "sum"}), summed))
    ]
    assert chosen[0].indices.tolist() == chosen[1].indices.tolist()
    np.testing.assert_allclose(chosen[0].columns["utility"], chosen[1].columns["utility"])
    assert set(chosen[0].columns["cluster"]) <= set(range(IFD_CLUSTERS))
