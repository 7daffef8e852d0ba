"""The contract of a method, as a suite for yours: `check_method` raises AssertionError naming what is broken."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Example
from spice_select.features.directions import DIRECTIONS
from spice_select.features.poolings import POOLINGS, STATES
from spice_select.features.rating_prompts import QUESTIONS, RATINGS
from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.quotas import quotas_of
from spice_select.methods.target import TargetSet
from spice_select.progress import Silent
from spice_select.store import FeatureBlock


def sample_candidates(
    n: int = 40, d: int = 12, *, seed: int = 0, features: tuple[str, ...] = (), target: bool = False
) -> Candidates:
    """Candidates with lengths, three sources, tokens and random features, no two rows alike.

    Args:
        n, d: rows, and numbers in a vector.
        seed: of all of it.
        features: names of the features that are there; any other may not be read.
        target: whether there is one, of two tasks, with the same features.
    """
    draw = np.random.default_rng(seed)
    rows = np.sort(draw.choice(10 * n, n, replace=False))
    supervised = draw.permutation(n) + 3
    tokens = supervised + draw.integers(2, 30, n)
    known = _Only(_blocks(draw, rows, tokens, supervised, d), features)
    return Candidates(
        rows=rows,
        tokens=tokens,
        supervised=supervised,
        sources=[f"source-{number}" for number in draw.integers(0, 3, n)],
        features=known,
        normalise="none",  # unit rows would all tie at the first pick
        examples=_examples(draw, rows, tokens, supervised),
        target=_target(draw, d, features) if target else None,
    )


def _target(draw: np.random.Generator, d: int, features: tuple[str, ...]) -> TargetSet:
    rows, supervised = np.arange(5), draw.integers(3, 20, 5)
    tokens = supervised + 4
    return TargetSet(
        rows=rows,
        tasks=["first", "second", "first", "first", "second"],
        examples=_examples(draw, rows, tokens, supervised),
        features=_Only(_blocks(draw, rows, tokens, supervised, d), features),
        normalise="none",
    )


def _blocks(
    draw: np.random.Generator, rows: NDArray, tokens: NDArray, supervised: NDArray, d: int
) -> dict[str, FeatureBlock]:
    """Every feature of the table, random, by its name."""
    n, apart = len(rows), draw.spawn(1)[0]
    vectors = draw.normal(size=(n, d)).astype(np.float32) + 0.5
    losses, alone = draw.random(n) + 0.1, draw.random(n) + 0.4
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    lengths = {"tokens": tokens, "supervised": supervised}

    def block(columns: dict[str, NDArray], **vectors: Any) -> FeatureBlock:
        return FeatureBlock(rows=rows, columns={**columns, **lengths}, finite=np.ones(n, bool), **vectors)

    return {
        GRADIENTS: block(
            {"loss": losses, "norm": norms, "margin_mean": losses - alone, "delta": alone - losses}, features=vectors
        ),
        "losses": block({"loss": losses, "loss_sum": losses * supervised}),
        "unprompted-losses": block({"loss": alone, "loss_sum": alone * supervised}),
        "token-states": block(
            {"square": supervised * 1.5, "kept": apart.random(n)},
            features=apart.normal(size=(n, DIRECTIONS * d)).astype(np.float32),
        ),
        "ratings": block({"mass": apart.random(n)}, features=_ratings(apart, n)),
        STATES: state_block(rows, *(draw.normal(size=(n, d)) for _ in POOLINGS), **lengths),
    }


def _ratings(draw: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Probabilities of each rating after each question, random."""
    shares = draw.random((n, len(QUESTIONS), RATINGS)) + 0.1
    return (shares / shares.sum(axis=2, keepdims=True)).reshape(n, -1).astype(np.float32)


def state_block(rows: NDArray, *means: NDArray, **columns: NDArray) -> FeatureBlock:
    """Hidden states as a run keeps them.

    Args:
        rows: their numbers.
        means: ``[n, hidden]``, of each pooling in the order of `POOLINGS`, or one for all of them.
        columns: what else is known of the rows.
    """
    each = means * len(POOLINGS) if len(means) == 1 else means
    norms = [np.linalg.norm(mean, axis=1, keepdims=True) for mean in each]
    units = [mean / np.where(norm > 0, norm, 1) for mean, norm in zip(each, norms, strict=True)]
    own = {pooling.length: norm[:, 0] for pooling, norm in zip(POOLINGS, norms, strict=True)}
    return FeatureBlock(
        rows=rows,
        columns={**own, **columns},
        finite=np.ones(len(rows), bool),
        features=np.hstack(units).astype(np.float32),
    )


def _examples(draw: np.random.Generator, rows: NDArray, tokens: NDArray, supervised: NDArray) -> list[Example]:
    """Random tokens, the last of a row supervised."""
    shapes = zip(rows.tolist(), tokens.tolist(), supervised.tolist(), strict=True)
    return [
        Example(
            row=row,
            input_ids=draw.integers(0, 50, length).astype(np.int32),
            supervised=np.arange(length) >= length - answer,
            source="",
            content_hash="",
        )
        for row, length, answer in shapes
    ]


def check_method(method: Method, *, n: int = 40, seed: int = 0) -> None:
    """Try to refute what `Method` promises: budgets and shares kept, no row twice, seeds, order of rows, needs,
    rows that are all alike. A method that can choose for a target is given one, of two tasks.

    Args:
        method: as `METHODS[name].of(settings)` makes it.
        n: candidates.
        seed: of the candidates.

    Raises:
        AssertionError: with the promise that is broken.
    """
    for target in {method.takes_target, method.requires_target}:  # without one too where it may be left out
        _check_on(method, sample_candidates(n, seed=seed, features=method.needs(), target=target))


def _check_on(method: Method, candidates: Candidates) -> None:
    n = len(candidates)
    for k in (1, 7, n):
        choice = _choose(method, candidates, Allowance(rows=k))
        assert len(choice) == k, f"{method.name} chose {len(choice)} rows where {k} were asked for"
        _check_choice(method, choice, n)
        again = _choose(method, candidates, Allowance(rows=k))
        assert choice.indices.tolist() == again.indices.tolist(), f"{method.name} with one seed chose twice differently"
    _check_tokens(method, candidates)
    _check_shares(method, candidates)
    _check_token_shares(method, candidates)
    if method.draws:
        other = _choose(method, candidates, Allowance(rows=7), seed=1)
        assert set(other.indices) != set(_choose(method, candidates, Allowance(rows=7)).indices), "seeds draw the same"
    else:
        _check_order(method, candidates)
    _check_alike(method, candidates)


def _choose(method: Method, candidates: Candidates, allowance: Allowance, *, seed: int = 0) -> Choice:
    return method.fresh(candidates).choose(candidates, allowance, seed=seed, progress=Silent())


def _check_choice(method: Method, choice: Choice, n: int) -> None:
    indices = choice.indices.tolist()
    assert len(set(indices)) == len(indices), f"{method.name} chose a row twice"
    assert all(0 <= index < n for index in indices), f"{method.name} chose a row that is no candidate"
    for name, column in choice.columns.items():
        assert len(column) == len(indices), f"{method.name}'s column {name} is not as long as its choice"
    assert len(choice.pools) == len(indices), f"{method.name}'s pools are not as many as its picks"


def _check_tokens(method: Method, candidates: Candidates) -> None:
    for supervised in (False, True):
        costs = Allowance(supervised=supervised).costs(candidates)
        whole = Allowance(tokens=int(costs.sum() // 3), supervised=supervised)
        choice = _choose(method, candidates, whole)
        _check_choice(method, choice, len(candidates))
        spent, budget = int(costs[choice.indices].sum()), whole.tokens or 0
        assert spent <= budget, f"{method.name} spent {spent} {whole.unit} of a budget of {budget}"
        assert spent + costs.max() > budget, f"{method.name} left room for any further row"


def _check_shares(method: Method, candidates: Candidates) -> None:
    quotas = quotas_of(candidates.sources, candidates.tokens.tolist(), Allowance(rows=15), 1 / 3, 1 / 3)
    choice = _choose(method, candidates, Allowance(rows=15, quotas=quotas))
    counts = dict.fromkeys(quotas, 0)
    for index in choice.indices:
        counts[candidates.sources[int(index)]] += 1
    for name, quota in quotas.items():
        assert quota.minimum <= counts[name] <= (quota.maximum or 0), f"{method.name} broke the share of {name}"


def _check_token_shares(method: Method, candidates: Candidates) -> None:
    whole = Allowance(tokens=int(candidates.tokens.sum() // 3))
    quotas = quotas_of(candidates.sources, candidates.tokens.tolist(), whole, 0.25, 0.4)
    choice = _choose(method, candidates, replace(whole, quotas=quotas))
    _check_choice(method, choice, len(candidates))
    spent, longest = dict.fromkeys(quotas, 0), int(candidates.tokens.max())
    for index in choice.indices:
        spent[candidates.sources[int(index)]] += int(candidates.tokens[index])
    for name, quota in quotas.items():
        kept = quota.minimum - longest < spent[name] <= (quota.maximum or 0)
        assert kept, f"{method.name} broke the share of tokens of {name}: {spent[name]}, and it is {quota}"


def _check_order(method: Method, candidates: Candidates) -> None:
    """The same rows under other numbers: the same are chosen, whatever order they stand in.

    Where numbers decide (`Method.by_number`), rows keep theirs and stand in another order.
    """
    order = np.random.default_rng(3).permutation(len(candidates))
    moved = candidates.take(order)
    if not method.by_number:
        moved.__dict__["rows"] = candidates.rows  # contents move, numbers stay ascending
    here = _choose(method, candidates, Allowance(rows=7)).indices
    there = order[_choose(method, moved, Allowance(rows=7)).indices]
    assert here.tolist() == there.tolist(), f"{method.name} chose others of the same rows in another order"


def _check_alike(method: Method, candidates: Candidates) -> None:
    """One row many times over, with a single supervised token, and a row alone."""
    alike = candidates.take(np.zeros(9, np.int64))
    alike.__dict__["rows"] = candidates.rows[:9]
    alike.__dict__["supervised"] = np.ones(9, np.int64)
    for k in (4, 9):
        choice = _choose(method, alike, Allowance(rows=k))
        assert len(choice) == k, f"{method.name} chose {len(choice)} of 9 equal rows where {k} were asked for"
        _check_choice(method, choice, 9)
    alone = _choose(method, candidates.take(np.array([0])), Allowance(rows=1))
    assert alone.indices.tolist() == [0], f"{method.name} did not choose the only row there is"


class _Only(Mapping[str, FeatureBlock]):
    """Features of which only some may be read."""

    def __init__(self, blocks: Mapping[str, FeatureBlock], allowed: tuple[str, ...]) -> None:
        self._blocks, self._allowed = {name: blocks[name] for name in allowed if name in blocks}, allowed

    def __getitem__(self, name: str) -> Any:
        assert name in self._allowed, f"the feature {name!r} was read, but not asked for in needs()"
        return self._blocks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)
