"""What documents make together: the bootstrap against its definition, and aggregations that fail."""

import importlib.util
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from spice_select.errors import SpiceError
from spice_select.evaluation import aggregates
from spice_select.evaluation.aggregates import Guarded, Part, UnshowableError, aggregated, apply, mean_of
from spice_select.evaluation.benchmarks import Benchmark
from spice_select.evaluation.scores import TaskScore
from tests.evaluation.test_benchmarks import results, sample

ANY = Benchmark(name="x", task="x")


def root_mean_square(values: Sequence[float]) -> float:
    return math.sqrt(sum(value**2 for value in values) / len(values))


def broken(values: Sequence[Any]) -> float:
    raise ValueError("of two classes only")


def scored(values: Sequence[Any], aggregation: Any = root_mean_square, **options: Any) -> TaskScore:
    drawn = [sample(place, "none", own=value) for place, value in enumerate(values)]
    return TaskScore.of(
        ANY, "x", results({"x": drawn}), seconds=0.0, aggregations={"x": {"own": aggregation}}, **options
    )


def test_the_bootstrap_of_a_mean_is_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=400).tolist()
    found = aggregated([Part(name="a", values=values, aggregation=mean_of)])
    exact = float(np.std(values)) / 20  # of documents drawn with replacement, so without n − 1
    assert found.value == pytest.approx(float(np.mean(values)))
    assert found.stderr == pytest.approx(exact, rel=5 / math.sqrt(2 * aggregates.DRAWS))  # five of its own errors


def test_draws_are_the_same_documents_for_every_model() -> None:
    random = np.random.default_rng(1)
    hard = random.normal(size=300)  # how hard each document is, for both models
    first, second = (scored((hard + random.normal(scale=0.01, size=300)).tolist(), mean_of_squares) for _ in range(2))
    difference = second.against(first).difference
    assert difference is not None
    assert difference.value == pytest.approx(second.score.value - first.score.value)
    assert difference.stderr < first.score.stderr / 20
    assert scored(hard.tolist()).draws == scored(hard.tolist()).draws


def mean_of_squares(values: Sequence[float]) -> float:
    return sum(value**2 for value in values) / len(values)


def test_scores_over_other_documents_have_no_paired_error() -> None:
    difference = scored([1.0, 2.0, 3.0]).against(scored([1.0, 2.0])).difference
    assert difference is not None
    assert math.isnan(difference.stderr)


def test_parts_weigh_by_their_documents_or_all_the_same() -> None:
    parts = [Part(name="a", values=[1.0] * 3, aggregation=mean_of), Part(name="b", values=[5.0], aggregation=mean_of)]
    assert aggregated(parts).value == 2
    assert aggregated(parts, by_size=False).value == 3


def test_an_aggregation_that_fails_on_some_draws_leaves_the_value_without_an_error() -> None:
    def picky(values: Sequence[float]) -> float:
        if len(set(values)) < len(values):
            raise ZeroDivisionError("each document once")
        return sum(values)

    found = scored([1.0, 2.0, 3.0], picky)
    assert (found.score.value, found.score.count, found.draws) == (6.0, 3, ())
    assert math.isnan(found.score.stderr)


@pytest.mark.parametrize(
    ("aggregation", "cause"),
    [
        (broken, r"its aggregation fails \(ValueError: of two classes only\)"),
        (lambda _: math.nan, "'nan', not a finite number"),
        (lambda values: values, "not a finite number"),
    ],
)
def test_what_makes_no_number_is_said_and_another_metric_is_taken(aggregation: Any, cause: str) -> None:
    with pytest.raises(UnshowableError, match=cause):
        apply(aggregation, [1, 2])
    drawn = [sample(place, "none", own=place, acc=1.0) for place in range(3)]
    found = TaskScore.of(
        ANY, "x", results({"x": drawn}), seconds=0.0, aggregations={"x": {"own": aggregation, "acc": mean_of}}
    )
    assert found.metric == "acc,none"
    assert list(found.missing) == ["own"]
    with pytest.raises(SpiceError, match=r"nor one of all documents \(own: "):
        scored([1, 2], aggregation)


def test_guarded_aggregations_never_raise_and_say_why() -> None:
    failed: dict[str, str] = {}
    safe = Guarded({"bad": broken, "good": root_mean_square}, failed)
    assert safe["good"]([3.0, 3.0]) == 3
    assert math.isnan(safe["bad"]([1]))
    assert safe["unknown to the task"]([1, 2]) == 1.5
    assert math.isnan(safe["unknown to the task"]([(1, 2), "three"]))
    assert list(failed) == ["bad", "unknown to the task"]


@pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")
def test_counted_f1_and_matthews_are_scikit_learns() -> None:
    from sklearn.metrics import f1_score, matthews_corrcoef

    random = np.random.default_rng(2)
    for size in (1, 2, 5, 40):
        for _ in range(5):
            gold, guess = random.integers(0, 2, (2, size))
            counts = np.bincount(2 * gold + guess, minlength=4).tolist()
            assert aggregates._f1(*counts) == pytest.approx(f1_score(gold, guess, zero_division=0))
            assert aggregates._matthews(*counts) == pytest.approx(matthews_corrcoef(gold, guess))


def test_a_share_is_told_from_other_numbers() -> None:
    assert scored([0, 1, 1], None).is_share
    assert not scored([0, 1, 7], None).is_share
    assert not scored([0.0, 0.5], root_mean_square).is_share


def test_a_score_of_all_documents_survives_json() -> None:
    import json

    found = scored([1.0, 2.0, 4.0], notes=("so it is",))
    assert TaskScore.from_json(json.loads(json.dumps(found.to_json()))) == found
