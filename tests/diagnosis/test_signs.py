"""Each sign equals its definition, and warns of the trouble it is named after."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.diagnosis import signs
from spice_select.errors import InputError
from spice_select.selection import LogDet, TargetVariance, greedy
from spice_select.testing.selection import degenerate, sample_features


def picked(indices):
    return SimpleNamespace(indices=np.asarray(indices))


def found(rows, indices, alpha=1.0, **options):
    return {sign.name: sign for sign in signs(rows, picked(indices), LogDet(alpha), **options)}


def directions(rows):
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


@given(
    n=st.integers(8, 30),
    d=st.sampled_from([3, 40]),  # fewer and more than rows
    seed=st.integers(0, 50),
    alpha=st.sampled_from([1e-3, 1.0, 1e3]),
)
@settings(max_examples=25, deadline=None)
def test_every_number_equals_its_definition(n, d, seed, alpha):
    rows = degenerate(sample_features("heavy", n, d, seed=seed), seed)
    picks = np.random.default_rng(seed).choice(n, 6, replace=False)
    ours = found(rows, picks, alpha, draws=2, seed=seed)
    U = directions(rows)
    mean, corpus = U[picks].mean(axis=0), U.mean(axis=0)
    lengths = np.linalg.norm(mean) * np.linalg.norm(corpus)
    longest = sorted(range(n), key=lambda x: -float(rows[x] @ rows[x]))[:6]
    truth = {
        "explains the corpus": TargetVariance(alpha).value(U, picks) / (U**2).sum(),
        "pulls where the corpus pulls": mean @ corpus / lengths if lengths else 0.0,
        "pulls together": (U[picks].sum(axis=0) ** 2).sum() / max((U[picks] ** 2).sum(), 1e-300),
        "is more than a ranking by size": len(set(picks.tolist()) & set(longest)) / 6,
    }
    for name, value in truth.items():
        assert ours[name].value == pytest.approx(value, rel=1e-7, abs=1e-9), name
        assert len(ours[name].draws) == 2
    counts = np.random.default_rng(seed).integers(1, 4, size=n)
    once = found(rows, picks, alpha, draws=2, seed=seed, counts=counts)
    sought = U / np.sqrt(counts)[:, None]
    share = TargetVariance(alpha, target=sought).value(U, picks) / (sought**2).sum()
    assert once["explains the corpus"].value == pytest.approx(share, rel=1e-7, abs=1e-9)
    assert "each counted once" in once["explains the corpus"].sentence
    for name in set(ours) - {"explains the corpus"}:
        assert once[name].sentence == ours[name].sentence


def test_scaling_single_rows_changes_only_the_ranking_by_size():
    rows = sample_features("aniso", 40, 6)
    scaled = rows * np.random.default_rng(1).lognormal(size=(40, 1))
    plain, other = found(rows, range(8)), found(scaled, range(8))
    for name in set(plain) - {"is more than a ranking by size"}:
        assert other[name].value == pytest.approx(plain[name].value, rel=1e-9)
        np.testing.assert_allclose(other[name].draws, plain[name].draws, rtol=1e-9)


def test_draws_have_a_seed():
    rows = sample_features("iso", 40, 6)
    once, again, other = (found(rows, range(8), seed=seed)["pulls together"].draws for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def corpus_with_outliers():
    """Two hundred rows in a few common directions, and twenty that each point their own way, and are long."""
    rng = np.random.default_rng(0)
    common = np.zeros((200, 40))
    common[:, :4] = np.abs(rng.standard_normal((200, 4))) + 0.1 * rng.standard_normal((200, 4))
    outliers = np.zeros((20, 40))
    outliers[:, 20:] = np.diag(rng.choice([-9.0, 9.0], 20))
    return np.concatenate([common, outliers])


def test_outliers_rich_in_information_are_warned_of():
    rows = corpus_with_outliers()
    picks = greedy(rows, 20).indices
    ours = found(rows, picks)
    assert np.mean(picks >= 200) > 0.8  # log det takes the outliers
    assert all(sign.warning for sign in ours.values())


def test_random_rows_are_warned_of_no_more_often_than_chance_has_it():
    rows = sample_features("aniso", 120, 8)
    warned = [
        bool(sign.warning)
        for trial in range(40)
        for sign in signs(rows, picked(np.random.default_rng((9, trial)).choice(120, 15, replace=False)), LogDet())
    ]
    assert np.mean(warned) <= 0.12  # 1 in 21 by chance


def test_the_whole_corpus_explains_itself_and_pulls_where_it_pulls():
    rows = sample_features("heavy", 30, 5)
    ours = found(rows, range(30))
    assert ours["pulls where the corpus pulls"].value == pytest.approx(1.0)
    assert not any(sign.warning for sign in ours.values())


def test_rows_that_oppose_each_other_pull_less_than_orthogonal_ones():
    rows = np.concatenate([np.eye(10), -np.eye(10), np.ones((40, 10))])
    ours = found(rows, [0, 1, 2, 10, 11, 12])["pulls together"]
    assert ours.value == pytest.approx(0.0)
    assert ours.warning


def test_equal_lengths_cannot_rank():
    rows = directions(sample_features("iso", 20, 4))
    sign = found(rows, range(5))["is more than a ranking by size"]
    assert math.isnan(sign.value)
    assert not sign.warning


def test_zero_gradients_are_no_division_by_zero():
    ours = found(np.zeros((10, 3)), range(4))
    assert {sign.value for name, sign in ours.items() if "ranking" not in name} == {0.0}


def test_too_few_draws_are_refused():
    with pytest.raises(InputError, match="draws is 1"):
        found(sample_features("iso", 20, 4), range(5), draws=1)
