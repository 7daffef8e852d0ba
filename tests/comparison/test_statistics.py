"""The statistics of the evidence: worked examples, definitions written out, and coverage in small simulations."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from spice_select.comparison.records import Held
from spice_select.comparison.statistics import (
    CrossedEstimate,
    LossPerToken,
    MacroOverSources,
    MeanOfRows,
    best_by_luck,
    control_seeds,
    crossed,
    crossed_bootstrap,
    detectable,
    equivalence,
    holm,
    needed_seeds,
    over_beds,
    power_of,
    probability_of_improvement,
    ratio,
    simultaneous_level,
    verdict,
    why_not_judged,
)
from spice_select.errors import InputError

ROOT = Path(__file__).parents[2]
WORKED = np.array([[0.10, 0.02, 0.06, 0.02], [0.06, -0.02, 0.04, 0], [0.02, 0, 0.02, -0.04]])


def held(sums, tokens, sources=None, name="clean") -> Held:
    rows = tuple(range(len(sums)))
    return Held(name, rows, tuple(sources or ["a"] * len(rows)), np.asarray(sums, float), np.asarray(tokens, float))


def test_the_worked_example_of_a_crossed_interval():
    found = crossed(WORKED)
    assert found.mean == pytest.approx(0.02333, abs=5e-6)
    assert found.by_seeds == pytest.approx(2.111e-4, abs=5e-8)
    assert found.by_rows == pytest.approx(2.556e-4, abs=5e-8)
    assert found.error == pytest.approx(0.02160, abs=5e-6)
    assert found.df == pytest.approx(4.94, abs=5e-3)
    assert found.half() / found.error == pytest.approx(2.579, abs=5e-4)
    assert found.interval() == pytest.approx((-0.0324, 0.0791), abs=5e-5)


def test_p_and_interval_agree():
    found = crossed(WORKED)
    low, _ = found.interval(1 - found.p())
    assert low == pytest.approx(0, abs=1e-12)


def test_what_does_not_vary_is_certain():
    assert crossed(np.zeros((3, 4))).p() == 1
    assert crossed(np.full((3, 4), 0.5)).p() == 0
    assert crossed(np.full((3, 4), 0.5)).interval() == (0.5, 0.5)


def test_one_seed_or_one_row_has_no_spread():
    for shape in ((1, 4), (4, 1)):
        with pytest.raises(InputError, match=f"{shape[0]} seeds, {shape[1]} rows"):
            crossed(np.zeros(shape))


def _draws(rng, count, seeds, rows, by_seed, by_row):
    """Differences of mean zero: seed effects, row effects, and noise of each pair."""
    own = by_seed * rng.standard_normal((count, seeds, 1))
    theirs = by_row * rng.standard_normal((count, 1, rows))
    return own + theirs + 0.1 * rng.standard_normal((count, seeds, rows))


@pytest.mark.parametrize(("by_seed", "by_row"), [(1, 0), (0, 1), (1, math.sqrt(12))])
def test_the_closed_form_covers_whatever_does_the_scattering(by_seed, by_row):
    draws = _draws(np.random.default_rng(0), 2000, 5, 60, by_seed, by_row)
    found = [crossed(values).interval() for values in draws]
    assert np.mean([low <= 0 <= high for low, high in found]) > 0.938


def test_rows_alone_do_not_cover_where_seeds_scatter():
    draws = _draws(np.random.default_rng(0), 300, 5, 60, 1, 0)
    found = [stats.ttest_1samp(values.mean(axis=0), 0).pvalue > 0.05 for values in draws]
    assert np.mean(found) < 0.6


def test_the_bootstrap_agrees_where_rows_do_the_scattering():
    values = _draws(np.random.default_rng(1), 1, 8, 200, 0.02, 1)[0]
    assert crossed_bootstrap(values, draws=4000) == pytest.approx(crossed(values).interval(), abs=0.03)


def test_the_bootstrap_of_a_ratio_agrees_with_its_linearisation():
    rng = np.random.default_rng(2)
    tokens = rng.integers(2, 300, 250).astype(float)
    sums = tokens * (0.02 + 0.001 * rng.standard_normal((6, 1)) + 0.1 * rng.standard_normal(250))
    lines = np.array([LossPerToken().contributions(one, held(one, tokens)) for one in sums])
    found = crossed(lines)
    low, high = crossed_bootstrap(sums, tokens, draws=4000)
    assert (low, high) == pytest.approx(found.interval(), abs=0.15 * found.half())


ENDPOINTS = [LossPerToken(), MeanOfRows(), MacroOverSources(), MacroOverSources(MeanOfRows())]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.name)
def test_contributions_average_to_the_value_and_differ_as_values_do(endpoint):
    rng = np.random.default_rng(3)
    tokens, sources = rng.integers(1, 50, 40), rng.choice(["a", "b", "c"], 40).tolist()
    one, other = (held(tokens * rng.random(40), tokens, sources) for _ in range(2))
    lines = [endpoint.contributions(run.sums, run) for run in (one, other)]
    assert lines[0].mean() == pytest.approx(endpoint.value(one))
    assert (lines[0] - lines[1]).mean() == pytest.approx(endpoint.value(one) - endpoint.value(other))
    np.testing.assert_allclose(lines[0] - lines[1], endpoint.contributions(one.sums - other.sums, one), atol=1e-12)


def test_endpoints_by_hand():
    run = held([2, 9, 4], [1, 3, 4], ["a", "a", "b"])
    assert LossPerToken().value(run) == pytest.approx(15 / 8)
    assert MeanOfRows().value(run) == pytest.approx((2 + 3 + 1) / 3)
    assert MacroOverSources().value(run) == pytest.approx((11 / 4 + 1) / 2)
    assert MacroOverSources(MeanOfRows()).value(run) == pytest.approx(((2 + 3) / 2 + 1) / 2)


def test_the_error_of_a_ratio_is_that_of_many_draws_of_rows():
    rng = np.random.default_rng(4)

    def drawn(rows):
        tokens = rng.integers(1, 100, rows).astype(float)
        return held(tokens * (1 + 0.5 * rng.standard_normal(rows) + tokens / 100), tokens)

    many = np.std([LossPerToken().value(drawn(200)) for _ in range(2000)])
    single = [(run := drawn(200), LossPerToken().contributions(run.sums, run))[1].std(ddof=1) for _ in range(20)]
    assert np.mean(single) / math.sqrt(200) == pytest.approx(many, rel=0.05)


def test_the_error_of_a_macro_is_that_of_sources_drawn_apart():
    """Var = Σ over sources of the variance of the source's own ratio, over the square of their number."""
    rng = np.random.default_rng(5)
    sources = ["a"] * 30 + ["b"] * 8
    tokens = rng.integers(1, 30, 38).astype(float)
    run = held(tokens * rng.random(38), tokens, sources)
    own = []
    for part in (slice(0, 30), slice(30, 38)):
        lines = LossPerToken().contributions(run.sums[part], held(run.sums[part], tokens[part]))
        own.append(lines.var(ddof=1) / len(lines))
    found = MacroOverSources().contributions(run.sums, run)
    assert found.var(ddof=1) / 38 == pytest.approx(sum(own) / 4)


@pytest.mark.parametrize("sizes", [(2, 40), (3, 3), (5, 60)])
def test_the_degrees_of_freedom_of_a_macro_are_those_of_welch(sizes: tuple[int, int]) -> None:
    """(x̄ + ȳ)/2 of two sources is half the difference of x and −y, which Welch's test is of; seeds scatter nowhere."""
    first, second = (np.random.default_rng(size).normal(0.3, 1, size) for size in sizes)
    rows = np.concatenate([first, second])
    run = held(rows, np.ones(len(rows)), ["a"] * sizes[0] + ["b"] * sizes[1])
    endpoint = MacroOverSources()
    found = crossed(np.array([endpoint.contributions(rows, run)] * 3), endpoint.strata(run))
    welch = stats.ttest_ind(first, -second, equal_var=False)
    alike = sum(1 / n for n in sizes) ** 2 / sum(1 / (n * n * (n - 1)) for n in sizes)
    assert found.df == pytest.approx(min(welch.df, alike))
    assert found.mean / found.error == pytest.approx(welch.statistic)
    assert found.mean == pytest.approx((first.mean() + second.mean()) / 2)
    beds = over_beds([np.array([endpoint.contributions(rows, run)] * 3)] * 2, [endpoint.strata(run)] * 2)
    assert beds.df == pytest.approx(2 * found.df), "two beds alike"


def test_a_source_of_few_rows_does_not_make_noise_significant() -> None:
    """Nothing differs, and a 5 % test says so of 95 draws in 100; by R − 1 degrees of freedom it was 73."""
    draw, sizes = np.random.default_rng(1), (2, 60, 60)
    sources = [name for name, size in zip("abc", sizes, strict=True) for _ in range(size)]
    endpoint, found = MacroOverSources(), 0
    for _ in range(300):
        rows = draw.normal(size=122) + 0.2 * draw.normal(size=(4, 122))
        run = held(rows[0], np.ones(122), sources)
        lines = np.array([endpoint.contributions(one, run) for one in rows])
        found += crossed(lines, endpoint.strata(run)).p() < 0.05
    assert found <= 30


def test_rows_of_one_part_are_plain_rows() -> None:
    values = np.random.default_rng(7).normal(size=(3, 20))
    assert crossed(values, np.zeros(20, np.int64)) == crossed(values)
    assert crossed(np.zeros((3, 4)), np.array([0, 0, 1, 1])).rows_df == 2


def test_a_source_of_one_row_has_no_spread():
    run = held([1, 2, 3], [1, 1, 1], ["a", "a", "rare"])
    assert MacroOverSources().value(run) == pytest.approx(2.25)
    with pytest.raises(InputError, match="rare"):
        MacroOverSources().contributions(run.sums, run)


def test_the_mean_over_beds():
    rng = np.random.default_rng(6)
    first, second = rng.standard_normal((4, 9)), rng.standard_normal((4, 20))
    both = over_beds([first, second])
    seeds = (first.mean(axis=1) + second.mean(axis=1)) / 2
    assert both.mean == pytest.approx((first.mean() + second.mean()) / 2)
    assert both.by_seeds == pytest.approx(seeds.var(ddof=1) / 4)
    assert both.by_rows == pytest.approx((crossed(first).by_rows + crossed(second).by_rows) / 4)
    assert both.rows_df > 8
    alone = over_beds([first])
    assert (alone.mean, alone.error, alone.df) == pytest.approx((first.mean(), crossed(first).error, crossed(first).df))
    with pytest.raises(InputError, match=r"\[4, 3\] seeds"):
        over_beds([first, second[:3]])


def test_the_worked_example_of_holm():
    assert holm([0.004, 0.012, 0.03, 0.2]) == pytest.approx([0.016, 0.036, 0.06, 0.2])
    assert holm([0.2, 0.03, 0.004, 0.012]) == pytest.approx([0.2, 0.06, 0.016, 0.036])
    assert holm([0.5, 0.6]) == [1, 1]
    assert holm([]) == []


def test_an_interval_apart_is_an_arm_that_holm_rejects():
    rng = np.random.default_rng(7)
    arms = [CrossedEstimate(mean, 0.01**2, 0.0, 4, 1) for mean in 0.08 * rng.standard_normal(12)]
    adjusted = holm([arm.p() for arm in arms])
    ends = [arm.interval(simultaneous_level(0.05, 12)) for arm in arms]
    apart = [not low <= 0 <= high for low, high in ends]
    assert any(apart)
    assert all(p < 0.05 for p, out in zip(adjusted, apart, strict=True) if out)


def test_the_best_of_many_lies_above_nothing_by_luck():
    assert best_by_luck(1) == pytest.approx(0, abs=1e-9)
    assert best_by_luck(12) == pytest.approx(1.63, abs=0.005)
    drawn = np.random.default_rng(8).standard_normal((20_000, 12))
    assert best_by_luck(12) == pytest.approx(drawn.max(axis=1).mean(), abs=0.02)


def test_the_worked_example_of_the_seeds_of_a_control():
    assert control_seeds(5, 12) == 17


def test_the_worked_example_of_the_probability_of_improvement():
    assert probability_of_improvement([1.50, 1.52, 1.49], [1.51, 1.51, 1.53]) == pytest.approx(0.778, abs=5e-4)
    assert probability_of_improvement([1.0], [1.0]) == 0.5


def test_the_worked_example_of_equivalence():
    found = equivalence(CrossedEstimate(-0.002, 0.003**2, 0.0, 6, 1), 0.01)
    assert found.lower_p == pytest.approx(0.0186, abs=5e-5)
    assert found.upper_p == pytest.approx(0.0036, abs=5e-5)
    assert found.interval == pytest.approx((-0.0078, 0.0038), abs=5e-5)
    assert found.holds()
    assert not equivalence(CrossedEstimate(-0.002, 0.003**2, 0.0, 6, 1), 0.006).holds()


@pytest.mark.parametrize(
    ("mean", "error", "word"),
    [(0.05, 0.005, "better"), (-0.05, 0.005, "worse"), (0.001, 0.003, "equivalent"), (0.01, 0.02, "undecided")],
)
def test_each_word(mean, error, word):
    estimate = CrossedEstimate(mean, error**2, 0.0, 5, 1)
    assert verdict(estimate, estimate.p(), margin=0.01, family=1).word == word


def test_undecided_says_what_would_decide():
    seeds = CrossedEstimate(0.01, 0.02**2, 1e-8, 4, 299)
    assert str(verdict(seeds, seeds.p(), margin=0.03, family=1)).startswith("undecided (needs ")
    rows = CrossedEstimate(0.01, 1e-8, 0.02**2, 4, 299)
    assert str(verdict(rows, rows.p(), margin=0.01, family=1)) == "undecided (needs more held-out rows)"


def test_no_verdict_of_few_seeds_or_other_tokens():
    assert why_not_judged(5, 0.05) is None
    assert "paired seeds: 4" in str(why_not_judged(4, 0.0))
    assert "-6%" in str(why_not_judged(8, -0.06))
    assert why_not_judged(8, math.nan)


def test_detectable_differences():
    """Beside (t₀.₉₇₅ + t₀.₈)/√n, an approximation that is good from about eight seeds on."""
    for seeds, published in ((8, 1.15), (10, 1.00), (20, 0.66)):
        assert detectable(seeds) == pytest.approx(published, abs=0.011)


def test_detectable_with_few_seeds_is_seen_as_often_as_said():
    rng = np.random.default_rng(8)
    for seeds in (3, 5):
        drawn = detectable(seeds) + rng.standard_normal((20_000, seeds))
        assert np.mean(stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.01)


def test_the_seeds_needed_are_the_fewest_that_suffice():
    pilot = CrossedEstimate(0.0, 0.01**2 / 5, 1e-12, 4, 299)
    needed = needed_seeds(pilot, 0.01)
    assert needed is not None
    assert detectable(needed) <= 1 < detectable(needed - 1)
    assert needed_seeds(CrossedEstimate(0.0, 1e-6, 0.01**2, 4, 299), 0.01) is None
    assert power_of(0.01, 0.0, 4) == 1


def test_a_ratio_of_gains():
    rng = np.random.default_rng(9)
    whole = 0.2 + 0.02 * rng.standard_normal((8, 50))
    gain = 0.25 * whole + 0.002 * rng.standard_normal((8, 50))
    found = ratio(gain, whole)
    assert found.value == pytest.approx(gain.mean() / whole.mean())
    assert found.low < found.value < found.high
    # both ends are where gain − ρ·whole is just not told from zero
    t = stats.t.ppf(0.975, crossed(gain - found.value * whole).df)
    for end in (found.low, found.high):
        rest = crossed(gain - end * whole)
        assert abs(rest.mean) / rest.error == pytest.approx(t)


def test_a_ratio_covers_as_it_says():
    rng, covered = np.random.default_rng(10), 0
    for _ in range(300):
        whole = 0.1 + _draws(rng, 1, 5, 40, 0.02, 0.1)[0]
        gain = 0.3 * whole + _draws(rng, 1, 5, 40, 0.01, 0.05)[0] * 0.5
        found = ratio(gain, whole)
        covered += found.low <= 0.3 <= found.high
    assert covered / 300 > 0.92


def test_a_share_of_nothing_has_no_bounds():
    rng = np.random.default_rng(11)
    noise = rng.standard_normal((5, 40))
    gain = rng.standard_normal((5, 40))
    assert not ratio(gain, noise - noise.mean() + 1e-3).bounded
    assert math.isnan(ratio(gain, noise - noise.mean() - 0.1).value)


def test_torch_is_not_needed():
    code = "import sys, spice_select.comparison.tables; sys.exit('torch' in sys.modules)"
    paths = {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=paths, check=False).returncode == 0
