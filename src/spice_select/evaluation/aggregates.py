"""What a task's documents make together, by any function of them, and how far chance may have moved it."""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Aggregation = Callable[[Sequence[Any]], Any]
"""From a value of each document (a number, or what a corpus' score is made of) to one number."""
DRAWS = 1000
"""Bootstrap draws: the error of the standard error is then 1/√2000, a fiftieth of it."""
_SLOW, SLOW_DRAWS = ("bleu", "chrf", "chrfpp", "ter"), 100
"""Scores of a corpus that take seconds each; lm-eval draws them as often."""


class UnshowableError(Exception):
    """What the documents make together is no number; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The documents of a task, or of one task of a group.

    Attributes:
        name: of the task.
        values: what each document gave, in order.
        aggregation: what makes one number of them.
    """

    name: str
    values: Sequence[Any]
    aggregation: Aggregation


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """One number made from all documents.

    Attributes:
        value: what lm-eval's own aggregation gives.
        draws: the same of documents drawn anew with replacement. The draws of two models are of the same documents,
            so their differences are those of pairs. Empty where a draw cannot be aggregated.
    """

    value: float
    draws: tuple[float, ...]

    @property
    def stderr(self) -> float:
        """The draws' standard deviation; NaN without any."""
        return float(np.std(self.draws, ddof=1)) if len(self.draws) > 1 else math.nan


def is_mean(aggregation: Aggregation | None) -> bool:
    """Whether it is lm-eval's plain mean, which is also what it takes for a metric without an aggregation."""
    return aggregation is None or _name(aggregation) == "mean"


def is_mean_of_known(aggregation: Aggregation | None) -> bool:
    """Whether it is lm-eval's mean over the documents whose value is not NaN."""
    return aggregation is not None and _name(aggregation) == "nanmean"


def apply(aggregation: Aggregation, values: Sequence[Any]) -> float:
    """One number from the documents' values. Raises UnshowableError where none comes of it."""
    if _name(aggregation) == "bypass_agg":
        raise UnshowableError("lm-eval's bypass computes no score")
    try:
        with _quiet():
            value = aggregation(values)
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UnshowableError(f"its aggregation fails ({cause})") from error
    if not isinstance(value, int | float | np.number | np.bool_) or not math.isfinite(float(value)):
        raise UnshowableError(f"its aggregation gives {str(value)[:50]!r}, not a finite number")
    return float(value)


def aggregated(parts: Sequence[Part], *, by_size: bool = True) -> Aggregate:
    """The mean of the parts' aggregates, as lm-eval has it for a group, with bootstrap draws of the documents.

    Args:
        parts: one for a task, several for a group.
        by_size: whether a part weighs as many times as it has documents; else all weigh the same.

    Raises:
        UnshowableError: the documents make no number. Cost: `DRAWS` aggregations (`SLOW_DRAWS` of BLEU and its like).
    """
    weights = np.array([len(part.values) if by_size else 1 for part in parts], np.float64)
    value = float(np.average([apply(part.aggregation, part.values) for part in parts], weights=weights))
    slow = any(_name(part.aggregation) in _SLOW for part in parts)
    count = SLOW_DRAWS if slow else DRAWS
    try:
        draws = np.average([list(_redrawn(part, count)) for part in parts], axis=0, weights=weights)
    except UnshowableError:
        return Aggregate(value=value, draws=())
    return Aggregate(value=value, draws=tuple(draws.tolist()))


def mean_of(values: Sequence[Any]) -> float:
    """The plain mean."""
    return float(np.mean(np.array(values, np.float64)))


def _redrawn(part: Part, count: int) -> Iterator[float]:
    """The part's aggregate of documents drawn with replacement; which, is a function of its name and size alone."""
    seed = int.from_bytes(hashlib.sha256(part.name.encode()).digest()[:8])
    size = len(part.values)
    places = np.random.default_rng(seed).integers(0, size, (count, size))
    fast = _fast(part)
    for drawn in places:
        yield fast(drawn) if fast else apply(part.aggregation, [part.values[place] for place in drawn])


def _fast(part: Part) -> Callable[[NDArray[np.int64]], float] | None:
    """F1 and Matthews' coefficient of two classes by counting, where scikit-learn takes milliseconds for each draw."""
    count = {"f1_score": _f1, "matthews_corrcoef": _matthews}.get(_name(part.aggregation))
    if count is None or not all(label in (0, 1) for pair in part.values for label in pair):
        return None
    cells = np.array([2 * int(gold) + int(guess) for gold, guess in part.values])
    return lambda drawn: count(*np.bincount(cells[drawn], minlength=4).tolist())


def _f1(tn: int, fp: int, fn: int, tp: int) -> float:
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0


def _matthews(tn: int, fp: int, fn: int, tp: int) -> float:
    square = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(square) if square else 0.0


def _name(aggregation: Aggregation) -> str:
    """The name of one of lm-eval's own aggregations; "" for any other."""
    own = getattr(aggregation, "__module__", "") == "lm_eval.api.metrics"
    return str(getattr(aggregation, "__name__", "")) if own else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """scikit-learn and sacrebleu warn of each odd draw."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Guarded(dict[str, Aggregation]):
    """A task's aggregations, of which none raises: one that would gives NaN.

    An exception in one of them would lose the answers to all documents with it. A metric without an aggregation has
    the mean, as in lm-eval.

    Args:
        plain: the task's own.
        failed: told why, by the metric's name.
    """

    def __init__(self, plain: Mapping[str, Aggregation], failed: dict[str, str]) -> None:
        super().__init__({name: self._safe(name, own) for name, own in plain.items()})
        self._failed = failed

    def __missing__(self, name: str) -> Aggregation:
        return self._safe(name, mean_of)

    def _safe(self, name: str, plain: Aggregation) -> Aggregation:
        def aggregate(values: Sequence[Any]) -> float:
            try:
                return apply(plain, values)
            except UnshowableError as error:
                self._failed[name] = str(error)
                return math.nan

        return aggregate
