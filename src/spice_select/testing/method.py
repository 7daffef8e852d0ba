"""The contract of a method, as a suite for yours: `check_method` raises AssertionError naming what is broken."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.quotas import quotas_of
from spice_select.progress import Silent
from spice_select.store import FeatureBlock


def sample_candidates(n: int = 40, d: int = 12, *, seed: int = 0, features: tuple[str, ...] = ()) -> Candidates:
    """Candidates with lengths, three sources and random gradients, no two rows alike.

    Args:
        n, d: rows, and numbers in a gradient.
        seed: of all of it.
        features: names of the features that are there; any other may not be read.
    """
    draw = np.random.default_rng(seed)
    rows = np.sort(draw.choice(10 * n, n, replace=False))
    supervised = draw.permutation(n) + 3
    tokens = supervised + draw.integers(2, 30, n)
    vectors = draw.normal(size=(n, d)).astype(np.float32) + 0.5
    block = FeatureBlock(
        rows=rows,
        columns={
            "loss": draw.random(n) + 0.1,
            "norm": np.linalg.norm(vectors.astype(np.float64), axis=1),
            "tokens": tokens,
            "supervised": supervised,
        },
        finite=np.ones(n, bool),
        features=vectors,
    )
    return Candidates(
        rows=rows,
        tokens=tokens,
        supervised=supervised,
        sources=[f"source-{number}" for number in draw.integers(0, 3, n)],
        features=_Only({GRADIENTS: block}, features),
        normalise="none",  # unit rows would all tie at the first pick
    )


def check_method(method: Method, *, n: int = 40, seed: int = 0) -> None:
    """Try to refute what `Method` promises: budgets and shares kept, no row twice, seeds, order of rows, needs.

    Args:
        method: as `METHODS[name].of(settings)` makes it.
        n: candidates.
        seed: of the candidates.

    Raises:
        AssertionError: with the promise that is broken.
    """
    candidates = sample_candidates(n, seed=seed, features=method.needs())
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


def _choose(method: Method, candidates: Candidates, allowance: Allowance, *, seed: int = 0) -> Choice:
    return method.fresh().choose(candidates, allowance, seed=seed, progress=Silent())


def _check_choice(method: Method, choice: Choice, n: int) -> None:
    indices = choice.indices.tolist()
    assert len(set(indices)) == len(indices), f"{method.name} chose a row twice"
    assert all(0 <= index < n for index in indices), f"{method.name} chose a row that is no candidate"
    for name, column in choice.columns.items():
        assert len(column) == len(indices), f"{method.name}'s column {name} is not as long as its choice"
    assert len(choice.pools) == len(indices), f"{method.name}'s pools are not as many as its picks"


def _check_tokens(method: Method, candidates: Candidates) -> None:
    budget = int(candidates.tokens.sum() // 3)
    choice = _choose(method, candidates, Allowance(tokens=budget))
    _check_choice(method, choice, len(candidates))
    spent = int(candidates.tokens[choice.indices].sum())
    assert spent <= budget, f"{method.name} spent {spent} tokens of a budget of {budget}"
    assert spent + candidates.tokens.max() > budget, f"{method.name} left room for any further row"


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
    """The same rows under other numbers: the same are chosen, whatever order they stand in."""
    order = np.random.default_rng(3).permutation(len(candidates))
    moved = candidates.take(order)
    moved.__dict__["rows"] = candidates.rows  # contents move, numbers stay ascending
    here = _choose(method, candidates, Allowance(rows=7)).indices
    there = order[_choose(method, moved, Allowance(rows=7)).indices]
    assert here.tolist() == there.tolist(), f"{method.name} chose others of the same rows in another order"


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
