"""Rankings of rows one by one: each against the slow obvious version, and on examples small enough to work out."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spice_select.data.records import Example
from spice_select.features.poolings import STATES
from spice_select.methods import METHODS, Candidates, Method
from spice_select.methods.base import GRADIENTS
from spice_select.methods.bm25 import bm25_scores
from spice_select.methods.budget import Allowance
from spice_select.methods.cosines import unit_cosines
from spice_select.methods.helped import ratios
from spice_select.methods.round_robin import round_robin
from spice_select.methods.source_shares import following
from spice_select.methods.stratified import in_proportion, strata_of
from spice_select.methods.target import TargetSet
from spice_select.progress import Silent
from spice_select.run.settings import SelectSettings
from spice_select.store import FeatureBlock
from spice_select.testing.method import sample_candidates, state_block

TARGETED = ("bm25", "rds", "less", "less-rr", "less-paper")
MATCHING = ("herding", "gradmatch", "craig")
RANKING = (
    "longest",
    "top-norm",
    "loss-low",
    "loss-mid",
    "loss-high",
    "ifd",
    "fishersft",
    "selectit",
    *MATCHING,
    *TARGETED,
)


def made(name: str) -> Method:
    return METHODS[name].of(SelectSettings().flat())


def chosen(name: str, candidates: Candidates, k: int | None = None, seed: int = 0) -> list[int]:
    allowance = Allowance(rows=len(candidates) if k is None else k)
    return made(name).choose(candidates, allowance, seed=seed, progress=Silent()).indices.tolist()


def told(name: str, candidates: Candidates, k: int | None = None) -> tuple[str, ...]:
    """What a choice of all, or of k, has to say for itself."""
    allowance = Allowance(rows=len(candidates) if k is None else k)
    return made(name).notes(candidates, made(name).choose(candidates, allowance, seed=0, progress=Silent()))


def candidates_for(name: str, n: int = 40, seed: int = 0) -> Candidates:
    method = METHODS[name]
    return sample_candidates(n, seed=seed, features=made(name).needs(), target=method.requires_target)


def block(features: np.ndarray | None = None, **columns: np.ndarray) -> FeatureBlock:
    n = len(features) if features is not None else len(next(iter(columns.values())))
    whole = {name: np.asarray(values, np.float64) for name, values in columns.items()}
    vectors = {} if features is None else {"features": np.asarray(features, np.float32)}
    return FeatureBlock(rows=np.arange(n), columns=whole, finite=np.ones(n, bool), **vectors)


def of_features(n: int, target: TargetSet | None = None, **features: FeatureBlock) -> Candidates:
    """Candidates of which features alone are known; underscores of their names stand for hyphens."""
    return Candidates(
        rows=np.arange(n),
        tokens=np.full(n, 9),
        supervised=np.full(n, 4),
        sources=[""] * n,
        features={name.replace("_", "-"): known for name, known in features.items()},
        target=target,
    )


# ---- what holds of every ranking


@pytest.mark.parametrize("name", RANKING)
def test_the_order_of_the_rows_changes_nothing(name: str) -> None:
    """Rows keep their numbers and stand in another order, as a pool of a permutation has them."""
    candidates = candidates_for(name)
    order = np.random.default_rng(5).permutation(len(candidates))
    here = candidates.rows[chosen(name, candidates)]
    moved = candidates.take(order)
    assert moved.rows[chosen(name, moved)].tolist() == here.tolist()


@pytest.mark.parametrize("name", RANKING)
def test_equal_rows_are_taken_by_their_numbers(name: str) -> None:
    candidates = candidates_for(name).take(np.zeros(150, np.int64))
    numbers = np.random.default_rng(1).permutation(150)
    equal = replace(candidates, rows=numbers)
    assert numbers[chosen(name, equal)].tolist() == list(range(150))


@pytest.mark.parametrize("name", RANKING)
def test_a_copy_of_every_row_comes_right_behind_it_or_is_left_to_another_turn(name: str) -> None:
    candidates = candidates_for(name, 20)
    twice = candidates.take(np.repeat(np.arange(20), 2))
    doubled = replace(twice, rows=np.arange(40))
    order = chosen(name, doubled)
    assert sorted(order) == list(range(40))
    first = [row for row in order if row % 2 == 0]
    place = {row: turn for turn, row in enumerate(order)}
    assert all(place[row] < place[row + 1] for row in first), "of equal rows the lower comes first"


@pytest.mark.parametrize("name", [*RANKING, "random", "stratified", "source-shares"])
def test_a_smaller_budget_is_the_beginning_of_a_larger_one(name: str) -> None:
    candidates = candidates_for(name)
    whole = chosen(name, candidates)
    assert sorted(whole) == list(range(40))
    assert all(chosen(name, candidates, k) == whole[:k] for k in (1, 2, 13, 39))


@pytest.mark.parametrize("name", TARGETED)
def test_a_planted_topic_is_found(name: str) -> None:
    """A hundred of a thousand rows are of the target's topic: words of its own, and a direction of its own."""
    draw = np.random.default_rng(0)
    topical = np.sort(draw.choice(1000, 100, replace=False))
    direction = draw.normal(size=64)

    def vectors(count: int, planted: np.ndarray | range) -> np.ndarray:
        found = draw.normal(size=(count, 64))
        found[planted] += direction
        return found

    def texts(count: int, planted: np.ndarray | range) -> list[Example]:
        inside = set(np.asarray(planted).tolist())
        own = [draw.integers(2000, 2012, 9) if number in inside else [] for number in range(count)]
        return [words([7, *draw.integers(10, 2000, 30), *topic]) for topic in own]

    def known(found: np.ndarray) -> FeatureBlock:
        return block(found, norm=np.linalg.norm(found, axis=1))

    target = TargetSet(
        rows=np.arange(12),
        tasks=["a"] * 6 + ["b"] * 6,
        examples=texts(12, range(12)),
        features={GRADIENTS: known(vectors(12, range(12))), STATES: state_block(np.arange(12), vectors(12, range(12)))},
    )
    candidates = replace(
        of_features(
            1000,
            target,
            gradients=known(vectors(1000, topical)),
            hidden_states=state_block(np.arange(1000), vectors(1000, topical)),
        ),
        examples=texts(1000, topical),
    )
    found = chosen(name, candidates, 100)
    assert len(set(found) & set(topical.tolist())) > 90


# ---- stratified


def test_the_worked_example_of_the_largest_remainder() -> None:
    taken = in_proportion([58, 25, 10, 7])
    assert np.bincount(taken[:10], minlength=4).tolist() == [6, 2, 1, 1]


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_no_stratum_is_a_row_ahead_and_none_falls_far_behind(sizes: list[int]) -> None:
    taken, total = in_proportion(sizes), sum(sizes)
    assert np.bincount(taken, minlength=len(sizes)).tolist() == sizes
    counts = np.cumsum(taken[:, None] == np.arange(len(sizes)), axis=0)
    shares = np.arange(1, total + 1)[:, None] * np.array(sizes) / total
    assert (counts - shares < 1).all()
    harmonic = sum(1 / number for number in range(1, len(sizes) + 1))
    assert (shares - counts < 1 + harmonic).all()


def test_strata_are_thirds_of_each_source_by_length() -> None:
    candidates = replace(
        sample_candidates(7),
        sources=["b", "a", "b", "b", "b", "a", "b"],
        supervised=np.array([5, 9, 5, 1, 8, 2, 3]),
        rows=np.array([60, 10, 20, 30, 40, 50, 70]),
    )
    found = [stratum.tolist() for stratum in strata_of(candidates)]
    assert found == [[5], [1], [3, 6], [2, 0], [4]], "equal lengths by row number; no stratum is empty"


def test_a_stratified_draw_keeps_the_mix_of_sources_and_lengths() -> None:
    draw = np.random.default_rng(0)
    n = 900
    candidates = replace(
        sample_candidates(n), sources=["large"] * 600 + ["small"] * 300, supervised=draw.integers(3, 500, n)
    )
    stratum = np.empty(n, np.int64)
    for number, positions in enumerate(strata_of(candidates)):
        stratum[positions] = number
    for seed in range(3):
        picks = chosen("stratified", candidates, 90, seed=seed)
        assert np.bincount(stratum[picks]).tolist() == [20, 20, 20, 10, 10, 10]
    assert set(chosen("stratified", candidates, 90, 0)) != set(chosen("stratified", candidates, 90, 1))


# ---- losses


def test_the_worked_example_of_the_losses() -> None:
    losses = np.array([0.5, 1, 2, 4, 1.2])
    candidates = of_features(5, losses=block(loss=losses, loss_sum=losses * [40, 10, 5, 2, 20]))
    assert chosen("loss-low", candidates, 2) == [0, 1]
    assert chosen("loss-high", candidates, 2) == [3, 2]
    assert chosen("loss-mid", candidates, 2) == [4, 1]
    choice = made("loss-high").choose(candidates, Allowance(rows=2), seed=0, progress=Silent())
    assert choice.columns["loss"].tolist() == [4, 2]


def two_losses(prompted: list[float], alone: list[float], tokens: list[int] | None = None) -> Candidates:
    counts = np.array(tokens or [1] * len(prompted))
    one, other = np.array(prompted), np.array(alone)
    return of_features(
        len(one),
        losses=block(loss=one, loss_sum=one * counts),
        unprompted_losses=block(loss=other, loss_sum=other * counts),
    )


def test_the_worked_example_of_ifd() -> None:
    candidates = two_losses([0.5, 3, 2, 1.1], [1, 4, 5, 1])
    np.testing.assert_allclose(ratios(candidates), [0.5, 0.75, 0.4, 1.1])
    assert chosen("ifd", candidates) == [1, 0, 2, 3]


def test_several_turns_weigh_by_their_tokens() -> None:
    """Turns (tokens, with prompt, without): (2, 1, 2), (8, .5, 1), (10, 1.5, 1.2)."""
    candidates = two_losses([(2 * 1 + 8 * 0.5 + 10 * 1.5) / 20], [(2 * 2 + 8 * 1 + 10 * 1.2) / 20], [20])
    np.testing.assert_allclose(ratios(candidates), [0.875])


def test_rows_whose_prompt_hinders_come_last_and_are_told() -> None:
    candidates = two_losses([1.5, 0.2, 1.1, 0.9, 0, 1.0], [1, 1, 1, 1, 1e-7, 1])
    assert chosen("ifd", candidates) == [3, 1, 5, 2, 0, 4]
    assert "67%" in told("ifd", candidates)[0]
    few = two_losses([1.1, 0.5, 0.5, 0.5, 0.5], [1] * 5)
    assert told("ifd", few) == (), "a fifth is not more than a fifth"


# ---- BM25


def words(ids: object) -> Example:
    tokens = np.array(ids, np.int32)
    return Example(row=0, input_ids=tokens, supervised=np.arange(len(tokens)) > 0, source="", content_hash="")


def naive_bm25(documents: list[list[int]], query: list[int]) -> list[float]:
    """Word by word from the definition."""
    n = len(documents)
    everywhere = set.intersection(*(set(document) for document in documents))
    bags = [Counter(term for term in document if term not in everywhere) for document in documents]
    lengths = [sum(bag.values()) for bag in bags]
    scores = []
    for bag, length in zip(bags, lengths, strict=True):
        score = 0.0
        for term in query:
            if bag[term]:
                having = sum(term in other for other in bags)
                idf = math.log(1 + (n - having + 0.5) / (having + 0.5))
                saturated = bag[term] + 1.5 * (1 - 0.75 + 0.75 * length / (sum(lengths) / n))
                score += idf * bag[term] * 2.5 / saturated
        scores.append(score)
    return scores


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), min_size=1, max_size=8),
    st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), min_size=1, max_size=3),
)
def test_bm25_is_its_definition(documents: list[list[int]], queries: list[list[int]]) -> None:
    found = bm25_scores([words(document) for document in documents], [words(query) for query in queries])
    due = np.array([naive_bm25(documents, query) for query in queries]).T
    np.testing.assert_allclose(found, due, rtol=1e-5, atol=1e-7)


def test_tokens_of_the_template_count_nothing() -> None:
    plain = [[1, 2], [3, 3, 4], [5]]
    framed = [[90, 91, *document, 92] for document in plain]
    here, there = (bm25_scores([words(d) for d in texts], [words([90, 3])]) for texts in (plain, framed))
    np.testing.assert_array_equal(here, there)


# ---- round robin


def naive_round_robin(similarities: np.ndarray, groups: dict[str, list[int]], rows: np.ndarray) -> list[int]:
    left, turn, order = set(range(len(rows))), 0, []
    tasks = list(groups.values())
    while left:
        task = tasks[turn % len(tasks)]
        query = task[turn // len(tasks) % len(task)]
        best = min(left, key=lambda position: (-similarities[position, query], rows[position]))
        left.remove(best)
        order.append(best)
        turn += 1
    return order


def test_the_worked_example_of_the_round_robin() -> None:
    near = np.array([[0.9, 0.95], [0.8, 0.2], [0.1, 0.7], [0.3, 0.1]])
    order, known = round_robin(near, {"": np.array([0, 1])}, np.arange(4))
    assert order.tolist() == [0, 2, 1, 3]
    assert known.tolist() == [0.9, 0.8, 0.7, 0.1]
    order, _ = round_robin(near, {"b": np.array([1]), "a": np.array([0])}, np.arange(4))
    assert order.tolist() == [0, 1, 2, 3], "the task that comes first has the first turn"


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_round_robin_is_what_it_says(n: int, m: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    near = draw.integers(0, 5, (n, m)) / 4  # with ties
    rows = draw.permutation(1000)[:n]
    names = draw.integers(0, 3, m)
    target = TargetSet(rows=np.arange(m), tasks=[str(name) for name in names])
    order, known = round_robin(near, target.groups, rows)
    groups = {name: own.tolist() for name, own in target.groups.items()}
    assert order.tolist() == naive_round_robin(near, groups, rows)
    assert all(known[position] in near[position] for position in range(n))


# ---- LESS


HALF = 1 / math.sqrt(2)
CHECKPOINTS = (0.75, 0.25)


def of_checkpoints(*stands: list) -> FeatureBlock:
    """Gradients at two checkpoints, each scaled by the root of its weight, side by side as they are kept."""
    scaled = [math.sqrt(weight) * np.array(stand) for weight, stand in zip(CHECKPOINTS, stands, strict=True)]
    return replace(block(np.hstack(scaled)), weights=CHECKPOINTS)


def less_example(first: float = 1.0, second: float = 1.0) -> Candidates:
    """Gradients at two checkpoints, which come as long as is said."""
    train = of_checkpoints(
        [[first, 0], [0, first], [first * HALF, first * HALF]],
        [[second * HALF, second * HALF], [second * HALF, -second * HALF], [0, second]],
    )
    aims = of_checkpoints([[1, 0], [0, 1], [-1, 0]], [[1, 0], [1, 0], [0, -1]])
    target = TargetSet(rows=np.arange(3), tasks=["A", "A", "B"], features={GRADIENTS: aims})
    return of_features(3, target, gradients=train)


def similarities(name: str, candidates: Candidates) -> list[float]:
    choice = made(name).choose(candidates, Allowance(rows=len(candidates)), seed=0, progress=Silent())
    near = dict(zip(choice.indices.tolist(), choice.columns["similarity"], strict=True))
    return [near[position] for position in range(len(candidates))]


@pytest.mark.parametrize("lengths", [(1.0, 1.0), (1.0, 100.0), (100.0, 1.0)])
def test_the_worked_example_of_less_whatever_the_lengths_at_a_checkpoint(lengths: tuple[float, float]) -> None:
    candidates = less_example(*lengths)
    np.testing.assert_allclose(similarities("less", candidates), [0.5518, 0.5518, 0.5303], atol=1e-4)
    np.testing.assert_allclose(similarities("less-paper", candidates), [0.7071, 0.7071, 0.75], atol=1e-4)


def naive_cosines(one: FeatureBlock, other: FeatureBlock) -> np.ndarray:
    """Σ_c w_c cos(g_c, t_c), pair by pair from the definition."""
    found = np.zeros((len(one.rows), len(other.rows)))
    width = one.dim // len(one.weights)
    for i, g in enumerate(one.features.astype(float)):
        for j, t in enumerate(other.features.astype(float)):
            for c, weight in enumerate(one.weights):
                own = slice(c * width, (c + 1) * width)
                lengths = np.linalg.norm(g[own]) * np.linalg.norm(t[own])
                found[i, j] += weight * (g[own] @ t[own]) / lengths if lengths else 0.0
    return found


def test_each_of_several_checkpoints_has_its_own_cosine() -> None:
    draw = np.random.default_rng(0)
    stretched = np.geomspace(0.01, 100, 30)[:, None]
    rows = of_checkpoints(draw.normal(size=(30, 4)), draw.normal(size=(30, 4)) * stretched)
    aims = of_checkpoints(draw.normal(size=(5, 4)) * [[9], [1], [1], [5], [1]], draw.normal(size=(5, 4)))
    target = TargetSet(rows=np.arange(5), tasks=[*"aabab"], features={GRADIENTS: aims})
    candidates = of_features(30, target, gradients=rows)
    near = naive_cosines(rows, aims)
    program = np.maximum(near[:, [0, 1, 3]].mean(axis=1), near[:, [2, 4]].mean(axis=1))
    means = np.stack([aims.features[[0, 1, 3]].mean(axis=0), aims.features[[2, 4]].mean(axis=0)])
    paper = naive_cosines(rows, replace(aims, rows=np.arange(2), features=means)).max(axis=1)
    np.testing.assert_allclose(similarities("less", candidates), program, atol=1e-6)
    np.testing.assert_allclose(similarities("less-paper", candidates), paper, atol=1e-6)
    groups = {"a": [0, 1, 3], "b": [2, 4]}
    assert chosen("less-rr", candidates) == naive_round_robin(near.astype(np.float32), groups, candidates.rows)


def test_the_paper_s_rule_follows_long_gradients_of_the_target_and_the_program_s_does_not() -> None:
    target = TargetSet(rows=np.arange(2), tasks=["", ""], features={GRADIENTS: block(np.array([[1, 0], [0, 9.0]]))})
    rows = np.array([[1, 0], [0, 1], [0.9, 0.5]])
    candidates = of_features(3, target, gradients=block(rows))
    assert chosen("less-paper", candidates) == [1, 2, 0]
    assert chosen("less", candidates) == [2, 0, 1]


@pytest.mark.parametrize("name", ["less", "less-rr", "less-paper"])
def test_cosines_are_of_unit_vectors_whatever_is_asked_for_the_selector(name: str) -> None:
    candidates = candidates_for(name)
    stretched = np.random.default_rng(2).integers(1, 9, (40, 1)).astype(np.float32) * 2
    own = candidates.features[GRADIENTS]
    longer = replace(candidates, features={GRADIENTS: replace(own, features=own.features * stretched)})
    assert chosen(name, longer) == chosen(name, candidates) == chosen(name, replace(candidates, normalise="unit"))


def test_cosines_are_the_definition_s_and_zero_for_nothing() -> None:
    draw = np.random.default_rng(0)
    rows, directions = draw.normal(size=(9000, 5)).astype(np.float32), draw.normal(size=(3, 5))
    rows[17] = 0
    found = unit_cosines(rows, directions)
    for position in (0, 17, 4095, 4096, 8999):
        row, length = rows[position].astype(float), np.linalg.norm(rows[position].astype(float))
        due = [0.0] * 3 if length == 0 else [row @ d / length / np.linalg.norm(d) for d in directions]
        np.testing.assert_allclose(found[position], due, atol=1e-6)


# ---- source shares


def test_the_worked_example_of_a_draw_that_follows_a_choice() -> None:
    """Picks of 30 tokens of a, then 40 of b, then 10 of a; each row drawn is due when half of it is covered."""
    candidates = replace(
        sample_candidates(7, features=(GRADIENTS,)),
        sources=["a", "a", "a", "b", "b", "b", "c"],
        supervised=np.array([30, 10, 50, 40, 60, 20, 5]),
    )
    chosen_rows = np.array([0, 3, 1])
    order, due = following(candidates, chosen_rows, seed=0)
    drawn = np.random.default_rng(0).permutation(7)
    when = dict.fromkeys(range(7), 3)
    for own, covered in (((0, 1, 2), {0: 30, 2: 40}), ((3, 4, 5), {1: 40})):
        before = 0
        for row in (row for row in drawn.tolist() if row in own):
            half = before + candidates.supervised[row] / 2
            when[row] = min((pick for pick, tokens in covered.items() if tokens >= half), default=3)
            before += candidates.supervised[row]
    assert order.tolist() == sorted(drawn.tolist(), key=lambda row: when[row])
    assert due == sum(pick < 3 for pick in when.values())
    assert order[due:].tolist().count(6) == 1, "of its source the choice has nothing"


def test_random_rows_hold_of_each_source_what_the_default_takes() -> None:
    draw, n = np.random.default_rng(0), 600
    candidates = replace(
        sample_candidates(n, features=(GRADIENTS,)),
        sources=[("plain", "rare", "odd")[min(place % 7, 2)] for place in range(n)],
        supervised=draw.integers(5, 60, n),
    )
    sources = np.array(candidates.sources)

    def tokens(rows: list[int]) -> list[int]:
        return [candidates.supervised[rows][sources[rows] == name].sum() for name in ("plain", "rare", "odd")]

    whole = chosen("information", candidates, 200)
    drawn = [chosen("source-shares", candidates, 90, seed=seed) for seed in range(3)]
    for rows in drawn:
        reached = int(np.searchsorted(np.cumsum(candidates.supervised[whole]), candidates.supervised[rows].sum()))
        assert tokens(rows) == pytest.approx(tokens(whole[: reached + 1]), abs=60), "to a row"
    assert len({tuple(rows) for rows in drawn}) == 3
    assert len({*drawn[0]} & {*whole[:90]}) < 40, "they are not the default's rows"


def test_a_row_longer_than_the_budget_makes_no_room_for_rows_that_are_not_due() -> None:
    """The default takes rows of one source, all short but one that fits at no time; the others' are longer."""
    candidates = sample_candidates(200, features=(GRADIENTS,))
    whole = chosen("information", candidates, 200)
    sources, lengths = np.array(["other"] * 200), np.full(200, 40)
    sources[whole[:100]], lengths[whole[:100]] = "led", 4
    lengths[whole[2:60:7]] = 401
    candidates = replace(candidates, sources=sources.tolist(), supervised=lengths, tokens=lengths)
    picks = METHODS["source-shares"].of(SelectSettings().flat())
    choice = picks.choose(candidates, Allowance(tokens=400), seed=0, progress=Silent())
    assert {*sources[choice.indices]} == {"led"}


def test_rows_of_one_source_are_a_plain_draw() -> None:
    candidates = replace(sample_candidates(60, features=(GRADIENTS,)), sources=[""] * 60)
    counts = np.bincount([chosen("source-shares", candidates, 1, seed=seed)[0] for seed in range(300)], minlength=60)
    assert counts.max() < 20
    assert (counts > 0).sum() > 50


@pytest.mark.parametrize("budget", [Allowance(rows=30), Allowance(tokens=900)])
def test_settings_of_the_default_that_the_control_does_not_read_change_nothing(budget: Allowance) -> None:
    candidates = replace(sample_candidates(80, features=(GRADIENTS,)), sources=["a", "b"] * 40)
    usual, other = (
        METHODS["source-shares"]
        .of(SelectSettings().flat() | more)
        .choose(candidates, budget, seed=1, progress=Silent())
        for more in ({}, {"alpha": 30.0, "token_price": 1.0, "objective": "log-det"})
    )
    assert usual.indices.tolist() == other.indices.tolist()
