"""What is computed within the span of a few rows is what the definition says of the rows themselves."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from spice_select.diagnosis import run_checks, signs
from spice_select.diagnosis import theory as checks
from spice_select.diagnosis.threads import NARROW, fitting_threads
from spice_select.numerics.features import read
from spice_select.selection import LogDet, TargetVariance, greedy
from spice_select.testing.selection import degenerate, sample_features

from .examples import optimum

ROWS = {
    "plain": sample_features("aniso", 20, 30, seed=1),
    "fewer dimensions than rows": sample_features("heavy", 40, 5, seed=2),
    "duplicates": np.repeat(sample_features("iso", 10, 60, seed=3), 3, axis=0),
    "zero rows": np.concatenate([np.zeros((12, 50)), sample_features("iso", 6, 50, seed=4)]),
    "long beside short": sample_features("iso", 24, 80, seed=5) * np.logspace(-6, 6, 24)[:, None],
    "two rows": sample_features("iso", 2, 9, seed=6),
}


def chains_from_the_definition(matrix, objective, chains, seed):
    """(chains refuted, least margin) with every value taken of whole rows of the whole matrix."""
    worst, refuted = np.inf, 0
    for rows, inner in checks._chains(len(matrix), chains, seed):
        a, b, x = rows[:inner].tolist(), rows[:-1].tolist(), int(rows[-1])
        small, large = (objective.value(matrix, [*s, x]) - objective.value(matrix, s) for s in (a, b))
        margin = min(small - large, large)
        worst = min(worst, margin)
        refuted += margin < -checks._TOLERANCE * (1 + objective.value(matrix, [*b, x]))
    return refuted, worst


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e9])
def test_chains_are_those_of_whole_rows(rows, alpha):
    seen, objective = [], LogDet(alpha)

    class Watched(LogDet):
        def value(self, features, indices):
            seen.append(features.shape)
            return super().value(features, indices)

    found = checks._submodular(read(rows).compacted, Watched(alpha), 20, 0)
    refuted, worst = chains_from_the_definition(rows, objective, 20, 0)
    assert found.value == refuted == 0
    told = float(found.sentence.split("least margin ")[1].rstrip(")."))
    assert told == pytest.approx(worst, rel=1e-2, abs=1e-9 * (1 + objective.value(rows, range(len(rows)))))
    assert max(width for _, width in seen) <= min(rows.shape[1], len(rows), 65)


@pytest.mark.parametrize("name", ["plain", "fewer dimensions than rows", "duplicates", "zero rows"])
def test_small_pools_are_those_of_whole_rows(name):
    rows, ratios = ROWS[name], []
    rng = np.random.default_rng(0)
    for _ in range(checks.SUBSETS):
        few = rows[np.sort(rng.choice(len(rows), checks.SMALL, replace=False))]
        best = optimum(few, checks.FEW)
        if best > 0:
            ratios.append(LogDet().value(few, greedy(few, checks.FEW).indices) / best)
    found = checks._exhaustive(read(rows).compacted, LogDet(), 0)
    assert found.value == pytest.approx(min(ratios), rel=1e-9)
    assert f"On {len(ratios)} random pools" in found.sentence


def test_a_run_of_every_row_and_of_one_is_checked():
    rows = ROWS["plain"]
    for k in (1, len(rows)):
        failed = [c.name for c in run_checks(rows, greedy(rows, k), LogDet(), chains=10) if c.passed is False]
        assert not set(failed) - {"ε follows the conflict", "conflict lowers the gain"}


@given(
    n=st.integers(10, 40),
    d=st.sampled_from([4, 60]),
    k=st.sampled_from([1, 2, 3, 9]),  # below a third of the dimensions, and above
    seed=st.integers(0, 50),
    alpha=st.sampled_from([1e-6, 1.0, 1e8]),
)
@settings(max_examples=40, deadline=None)
def test_what_the_picks_explain_is_the_variance_of_the_definition(n, d, k, seed, alpha):
    rows = degenerate(sample_features("heavy", n, d, seed=seed), seed)
    picks = np.random.default_rng(seed).choice(n, k, replace=False)
    ours = signs(rows, SimpleNamespace(indices=picks), LogDet(alpha), draws=2)[0]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    directions = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    truth = TargetVariance(alpha).value(directions, picks) / (directions**2).sum()
    assert ours.value == pytest.approx(truth, rel=1e-7, abs=1e-7 if alpha > 1 else 1e-12)


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_small_matrices_get_one_thread_and_large_ones_all():
    before = threads()
    with fitting_threads(NARROW):
        assert threads() == {1}
    with fitting_threads(NARROW + 1):
        assert threads() == before
    assert threads() == before
