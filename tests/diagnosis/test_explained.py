"""What picks explain of a target: the definition with an explicit inverse, and random picks beside it."""

from types import SimpleNamespace

import numpy as np
import pytest

from spice_select.diagnosis.explained import Explained, mean_explained, shares_explained
from spice_select.errors import InputError
from spice_select.testing.selection import degenerate, sample_features

TASKS = ["a", "b", "a", "b", "b"]


def of(rows):
    return SimpleNamespace(indices=np.array(rows))


def defined(features, rows, target, alpha):
    inverse = np.linalg.inv(np.eye(features.shape[1]) + alpha * features[rows].T @ features[rows])
    return 1 - np.trace(target @ inverse @ target.T) / (target**2).sum()


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize(("n", "d", "k"), [(30, 8, 4), (30, 8, 20), (12, 40, 5), (6, 5, 6)])
def test_shares_are_those_of_the_definition(alpha, n, d, k):
    features = degenerate(sample_features("heavy", n, d, seed=1))
    target, rows = sample_features("aniso", 5, d, seed=2), np.arange(k)[::-1].copy()
    found = shares_explained(features, of(rows), target, TASKS, alpha=alpha, draws=3, seed=4)
    assert [(one.task, one.rows) for one in found] == [("a", 2), ("b", 3)]
    for one in found:
        own = target[[task == one.task for task in TASKS]]
        assert one.share == pytest.approx(defined(features, rows, own, alpha), rel=1e-9, abs=1e-12)
        for draw, share in enumerate(one.draws):
            drawn = np.random.default_rng((4, 3, draw)).choice(n, k, replace=False)
            assert share == pytest.approx(defined(features, drawn, own, alpha), rel=1e-9, abs=1e-12)


def test_zero_rows_explain_nothing_and_are_not_explained():
    features, target = np.zeros((4, 3)), np.eye(3)
    found = shares_explained(features, of([0, 1]), target, ["a", "a", "b"], alpha=1.0)
    assert [one.share for one in found] == [0.0, 0.0]
    empty = shares_explained(np.eye(3), of([0]), np.zeros((1, 3)), [""], alpha=1.0)
    assert empty[0].share == 0.0


def test_more_picks_explain_no_less():
    features, target = sample_features("iso", 40, 10), sample_features("iso", 6, 10, seed=3)
    shares = [shares_explained(features, of(range(k)), target, [""] * 6, alpha=1.0)[0].share for k in range(1, 30)]
    assert (np.diff(shares) >= -1e-12).all()
    assert 0 < shares[0] < shares[-1] < 1


def test_one_draw_has_no_spread():
    with pytest.raises(InputError, match="draws is 1"):
        shares_explained(np.eye(3), of([0]), np.eye(3), [""] * 3, alpha=1.0, draws=1)


def test_the_mean_over_pools_is_by_task():
    def one(share):
        return [
            Explained(
                task="a",
                rows=2,
                share=share,
                draws=np.array([share / 2, share / 4]),
                cosine=0.0,
                cosine_draws=np.zeros(3),
            )
        ]

    (found,) = mean_explained([one(0.4), [], one(0.8)])
    assert (found.task, found.rows) == ("a", 2)
    assert found.share == pytest.approx(0.6)
    assert found.draws == pytest.approx([0.3, 0.15])
    assert mean_explained([]) == []
