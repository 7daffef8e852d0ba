"""The score of a model on a benchmark: one number a document, so that two models can be compared in pairs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from spice_select.errors import SpiceError
from spice_select.evaluation.benchmarks import Benchmark
from spice_select.evaluation.statistics import Estimate, row_difference, row_mean


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """One model on one benchmark.

    Attributes:
        benchmark: its name here.
        task: the lm-eval task or group that was run.
        metric: ``metric,filter`` as lm-eval calls them.
        shots: worked examples in the prompt, least and most over the parts of a group.
        documents: each document's score by its place, ``subtask/number``.
        seconds: how long it took.
        reported: everything lm-eval reported, by task.
        difference: less the first model's score, in pairs; None for the first model.
    """

    benchmark: str
    task: str
    metric: str
    shots: tuple[int, int]
    documents: dict[str, float]
    seconds: float
    reported: dict[str, dict[str, Any]]
    difference: Estimate | None = None

    @property
    def score(self) -> Estimate:
        """Mean over the documents; standard error s/√n. In a group every document weighs the same."""
        return row_mean(np.array(list(self.documents.values()), np.float64))

    @staticmethod
    def of(benchmark: Benchmark, task: str, results: Mapping[str, Any], *, seconds: float) -> "TaskScore":
        """The wanted metric out of what lm-eval returns (`lm_eval.evaluate`, samples logged).

        Raises:
            SpiceError: the task reports no metric that is one number a document.
        """
        samples: Mapping[str, list[Mapping[str, Any]]] = results["samples"]
        metric, answer = _choose(benchmark, samples)
        documents = {
            f"{part}/{sample['doc_id']}": float(sample[metric])
            for part, drawn in sorted(samples.items())
            for sample in drawn
            if sample["filter"] == answer and metric in sample
        }
        shots = [int(results["n-shot"].get(part) or 0) for part in samples]
        return TaskScore(
            benchmark=benchmark.name,
            task=task,
            metric=f"{metric},{answer}",
            shots=(min(shots), max(shots)),
            documents=documents,
            seconds=seconds,
            reported={name: _plain(values) for name, values in results["results"].items()},
        )

    def against(self, first: "TaskScore") -> "TaskScore":
        """This score with its difference to another model's, over the documents both answered."""
        if self.metric != first.metric or self.task != first.task:
            return self
        shared = sorted(self.documents.keys() & first.documents.keys())
        own = np.array([self.documents[name] for name in shared], np.float64)
        other = np.array([first.documents[name] for name in shared], np.float64)
        return replace(self, difference=row_difference(own, other))

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        del content["difference"]
        return content

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "TaskScore":
        return TaskScore(**{**content, "shots": tuple(content["shots"])})


def _choose(benchmark: Benchmark, samples: Mapping[str, list[Mapping[str, Any]]]) -> tuple[str, str]:
    """Metric and filter: the wanted ones where reported, else the first that is one number a document."""
    found = [
        (metric, sample["filter"])
        for drawn in samples.values()
        for sample in drawn
        for metric in sample["metrics"]
        if isinstance(sample[metric], bool | int | float | np.number | np.bool_)
    ]
    if not found:
        raise SpiceError(f"lm-eval reported no number a document for {benchmark.name!r}: its metric is not supported")
    order = {pair: place for place, pair in reversed(list(enumerate(found)))}

    def rank(pair: tuple[str, str]) -> tuple[int, int, int]:
        metric, answer = pair
        return _place(benchmark.metrics, metric), _place(benchmark.filters, answer), order[pair]

    return min(order, key=rank)


def _place(wanted: tuple[str, ...], name: str) -> int:
    return wanted.index(name) if name in wanted else len(wanted)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """lm-eval's numbers without numpy's types; what is no number stays text."""
    return {
        name: value if isinstance(value, str | int | bool) else float(value) if _is_number(value) else str(value)
        for name, value in values.items()
        if not (name.split(",")[0].endswith("_stderr") and value == "N/A")
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, float | np.number) and bool(np.isfinite(value))
