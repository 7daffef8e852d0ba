"""Names, tasks and metrics: which lm-eval task stands for a benchmark, and which number is read from its results."""

from dataclasses import replace
from typing import Any

import pytest

from spice_select.errors import InputError, SpiceError
from spice_select.evaluation.benchmarks import BENCHMARKS, Benchmark, local_task, wanted
from spice_select.evaluation.scores import TaskScore
from spice_select.evaluation.settings import BenchmarkSettings

GSM8K = next(benchmark for benchmark in BENCHMARKS if benchmark.name == "gsm8k")
HUMANEVAL = next(benchmark for benchmark in BENCHMARKS if benchmark.name == "humaneval")
TRUTHFULQA = next(benchmark for benchmark in BENCHMARKS if benchmark.name == "truthfulqa")


def test_the_eight_benchmarks_of_the_paper_are_known() -> None:
    names = ["gsm8k", "bbh", "mmlu", "arc_challenge", "truthfulqa", "ifeval", "humaneval", "mbpp"]
    assert [benchmark.name for benchmark in wanted(("all",))] == names
    assert [benchmark.name for benchmark in BENCHMARKS if benchmark.runs_code] == ["humaneval", "mbpp"]


def test_each_task_is_run_once_in_the_order_asked() -> None:
    found = wanted(("ifeval", "all", "hellaswag", "ifeval"))
    assert [benchmark.name for benchmark in found][:2] == ["ifeval", "gsm8k"]
    assert found[-1] == Benchmark(name="hellaswag", task="hellaswag")
    assert len(found) == 9


@pytest.mark.parametrize("given", ["gsm8k,ifeval", ["gsm8k", "ifeval"], ("gsm8k, ifeval",), ["gsm8k,", " ifeval"]])
def test_tasks_are_separated_by_commas_or_spaces(given: Any) -> None:
    assert BenchmarkSettings(tasks=given).tasks == ("gsm8k", "ifeval")


@pytest.mark.parametrize(
    ("benchmark", "tasks", "chat", "expected"),
    [
        (GSM8K, ["gsm8k_local"], True, "gsm8k_local"),
        (GSM8K, ["gsm8k_local", "gsm8k"], True, "gsm8k"),
        (GSM8K, ["gsm"], True, None),
        (TRUTHFULQA, ["truthfulqa_mc1_local"], False, "truthfulqa_mc1_local"),
        (TRUTHFULQA, ["truthfulqa_mc1_local", "truthfulqa_mc2_local"], False, "truthfulqa_mc2_local"),
        (HUMANEVAL, ["humaneval_local", "humaneval_instruct_local"], True, "humaneval_instruct_local"),
        (HUMANEVAL, ["humaneval_local", "humaneval_instruct_local"], False, "humaneval_local"),
    ],
)
def test_own_task_files_come_first(benchmark: Benchmark, tasks: list[str], chat: bool, expected: str | None) -> None:
    assert local_task(benchmark, tasks, chat=chat) == expected


def test_two_own_tasks_of_one_benchmark_must_be_told_apart() -> None:
    with pytest.raises(InputError, match=r"holds gsm8k_a, gsm8k_b\. Name the one"):
        local_task(GSM8K, ["gsm8k_b", "gsm8k_a"], chat=True)


def results(samples: dict[str, list[dict[str, Any]]], **shots: int) -> dict[str, Any]:
    return {"samples": samples, "n-shot": shots, "results": {name: {"acc,none": 0.5} for name in samples}}


def sample(number: int, answer: str, **metrics: Any) -> dict[str, Any]:
    return {"doc_id": number, "filter": answer, "metrics": list(metrics), **metrics}


def test_the_wanted_metric_and_filter_are_read() -> None:
    drawn = [sample(i, answer, exact_match=float(answer == "flexible-extract" and i > 0))
             for answer in ("other", "flexible-extract", "strict-match") for i in range(3)]  # fmt: skip
    found = TaskScore.of(GSM8K, "gsm8k", results({"gsm8k": drawn}, gsm8k=5), seconds=1.0)
    assert found.metric == "exact_match,flexible-extract"
    assert found.documents == {"gsm8k/0": 0.0, "gsm8k/1": 1.0, "gsm8k/2": 1.0}
    assert found.score.value == pytest.approx(2 / 3)
    assert found.score.stderr == pytest.approx(1 / 3)  # s = √(1/3), n = 3
    assert found.shots == (5, 5)


def test_in_a_group_every_document_weighs_the_same() -> None:
    parts = {"a": [sample(0, "none", acc=1.0)], "b": [sample(i, "none", acc=0.0) for i in range(3)]}
    found = TaskScore.of(
        Benchmark(name="mmlu", task="mmlu", metrics=("acc",)), "mmlu", results(parts, a=5), seconds=0.0
    )
    assert found.score.value == 0.25
    assert found.shots == (0, 5)


def test_a_task_of_unknown_metric_is_read_by_its_first_number() -> None:
    drawn = [sample(0, "none", words=[1, 2], f1=0.5, other=True)]
    assert TaskScore.of(Benchmark(name="x", task="x"), "x", results({"x": drawn}), seconds=0.0).metric == "f1,none"
    with pytest.raises(SpiceError, match="no number a document"):
        TaskScore.of(Benchmark(name="x", task="x"), "x", results({"x": [sample(0, "none", a="b")]}), seconds=0.0)


def score(values: list[float], metric: str = "acc,none") -> TaskScore:
    documents = {f"x/{place}": value for place, value in enumerate(values)}
    return TaskScore(
        benchmark="x", task="x", metric=metric, shots=(0, 0), documents=documents, seconds=0.0, reported={}
    )


def test_scores_are_compared_document_by_document() -> None:
    difference = score([1, 1, 0, 1]).against(score([0, 0, 0, 1])).difference
    assert difference is not None
    assert difference.value == 0.5
    assert difference.stderr == pytest.approx((1 / 3) ** 0.5 / 2)
    assert score([1]).against(score([1], "other,none")).difference is None


@pytest.mark.parametrize("aggregate", [None, 0.5])
@pytest.mark.parametrize(("own", "first"), [(True, True), (True, False), (False, True), (None, True), (True, None)])
def test_a_difference_of_prompts_is_said_to_be_one(
    own: bool | None, first: bool | None, aggregate: float | None
) -> None:
    one, other = (replace(score([1, 0]), chat=chat, aggregate=aggregate) for chat in (own, first))
    notes = one.against(other).notes
    asked = [note for note in notes if "one of the prompts too" in note]
    assert len(asked) == (None not in (own, first) and own != first)
    assert all(note.startswith(f"it was asked {'through its' if own else 'plainly'}") for note in asked)


def test_a_score_survives_json() -> None:
    asked = replace(score([0.25]), chat=True)
    assert TaskScore.from_json(asked.to_json()) == asked
    before = {name: value for name, value in asked.to_json().items() if name != "chat"}
    assert TaskScore.from_json(before) == score([0.25])
