"""The beds that tell what labels and lengths do to a choice; nothing is trained.

Labels are drawn anew many times on one set of pairs: the errors say what another draw of labels would change, not what
other pairs would.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from benchmarks.preference.answers import KINDS, Answers
from numpy.typing import NDArray

from spice_select.selection import Conflict, LogDet, greedy

WEIGHTS = (0.0, 0.1, 0.5)
"""λ, the weight of the conflict penalty."""
TURNED, COPIED, BY_LENGTH = 0.2, 0.3, 0.6
"""Shares: of labels turned, of pairs that have a twin, of pairs whose longer answer is preferred whatever it says."""

Measure = Callable[[list[int]], dict[str, float]]
"""Numbers of some picks."""


def turned(answers: Answers, *, share: float, draws: int) -> list[dict[str, Any]]:
    """A fifth of the labels is wrong: which share of the picks?"""
    lines = []
    for bed, kinds in (("as long", ("sum", "mean")), ("one side short", KINDS)):
        for kind in kinds:

            def drawn(rng: np.random.Generator, bed: str = bed, kind: str = kind) -> tuple[Any, Measure]:
                short = rng.integers(0, 2, len(answers.short))
                vectors = answers.equal(kind) if bed == "as long" else answers.unequal(kind, short)
                wrong = _drawn(rng, len(vectors), TURNED)
                signs = np.where(wrong, -1, 1).astype(np.float32)
                return vectors * signs[:, None], lambda picks: {"turned": float(wrong[picks].mean())}

            lines += [{"bed": bed, "pair gradient": kind, **one} for one in _over_draws(drawn, share, draws)]
    return lines


def twins(answers: Answers, *, share: float, draws: int) -> list[dict[str, Any]]:
    """Some pairs stand twice, once with the answers in each order, or (beside it) twice alike: are both taken?"""
    lines, vectors = [], answers.equal("sum")
    for bed, sign in (("anti-twins", -1), ("copies", 1)):

        def drawn(rng: np.random.Generator, sign: int = sign) -> tuple[Any, Measure]:
            origins = np.concatenate([np.arange(len(answers)), np.flatnonzero(_drawn(rng, len(answers), COPIED))])
            signs = np.where(np.arange(len(origins)) < len(answers), 1, sign).astype(np.float32)
            place = rng.permutation(len(origins))  # so that a tie is not always the original's
            origins, signs = origins[place], signs[place]
            twice = np.isin(origins, np.flatnonzero(np.bincount(origins) == 2))

            def measured(picks: list[int]) -> dict[str, float]:
                both = len(picks) - len(np.unique(origins[picks]))
                return {"of twins": float(twice[picks].mean()), "both taken": 2 * both / len(picks)}

            return vectors[origins] * signs[:, None], measured

        lines += [{"bed": bed, "pair gradient": "sum", **one} for one in _over_draws(drawn, share, draws)]
    return lines


def by_length(answers: Answers, *, share: float, draws: int) -> list[dict[str, Any]]:
    """One answer of each pair is four times the other, and mostly the preferred one: does a choice prefer it more?"""
    lines = []
    for kind in KINDS:

        def drawn(rng: np.random.Generator, kind: str = kind) -> tuple[Any, Measure]:
            short = rng.integers(0, 2, len(answers.short))
            swapped = _drawn(rng, len(short), BY_LENGTH) & (short == 0)  # the short answer was the preferred one
            longer = (short == 1) | swapped
            tokens = answers.lengths(short)
            gap = (tokens.max(1) - tokens.min(1)) * np.where(longer, 1, -1)
            signs = np.where(swapped, -1, 1).astype(np.float32)
            return answers.unequal(kind, short) * signs[:, None], lambda picks: {
                "longer preferred": float(longer[picks].mean()),
                "tokens longer": float(gap[picks].mean()),
            }

        lines += [{"bed": "length", "pair gradient": kind, **one} for one in _over_draws(drawn, share, draws)]
    return lines


def _drawn(rng: np.random.Generator, n: int, share: float) -> NDArray[np.bool_]:
    """Exactly that share of n, drawn."""
    found = np.zeros(n, bool)
    found[rng.permutation(n)[: round(share * n)]] = True
    return found


def _over_draws(
    drawn: Callable[[np.random.Generator], tuple[Any, Measure]], share: float, draws: int
) -> Iterator[dict[str, Any]]:
    """All rows, and the picks with each λ: means over the draws, and the standard errors of these."""
    found: dict[str, list[dict[str, float]]] = {}
    for draw in range(draws):
        vectors, measured = drawn(np.random.default_rng([draw, 17]))
        found.setdefault("all rows", []).append(measured(list(range(len(vectors)))))
        unit, rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True), round(share * len(vectors))
        for weight in WEIGHTS:
            chosen = greedy(unit, rows, objective=LogDet(1.0), penalty=Conflict(weight))
            found.setdefault(f"λ = {weight:g}", []).append(measured(chosen.indices.tolist()))
    for picks, values in found.items():
        line: dict[str, Any] = {"picks": picks, "draws": draws, "rows": rows if picks != "all rows" else len(vectors)}
        for name in values[0]:
            each = np.array([value[name] for value in values])
            line[name] = [float(each.mean()), float(each.std(ddof=1) / math.sqrt(len(each)))]
        yield line
