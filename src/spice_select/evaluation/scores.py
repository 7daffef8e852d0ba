"""The score of a model on a benchmark: aggregated as lm-eval does, and comparable in pairs of documents."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from spice_select.errors import SpiceError
from spice_select.evaluation.aggregates import (
    Aggregation,
    Part,
    UnshowableError,
    aggregated,
    is_mean,
    is_mean_of_known,
    mean_of,
)
from spice_select.evaluation.benchmarks import Benchmark
from spice_select.numerics.estimates import Estimate, row_difference, row_mean

Samples = Mapping[str, Sequence[Mapping[str, Any]]]
"""What lm-eval logs of each document, by task."""


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """One model on one benchmark.

    Attributes:
        benchmark: its name here.
        task: the lm-eval task or group that was run.
        metric: ``metric,filter`` as lm-eval calls them.
        shots: worked examples in the prompt, least and most over the parts of a group.
        documents: each document's score by its place, ``subtask/number``, where the score is their mean; else empty.
        seconds: how long it took.
        reported: everything lm-eval reported, by task.
        aggregate: what lm-eval makes of the documents, where that is not their mean (perplexities, F1, BLEU …).
        count: documents that it is made of.
        draws: the same of documents drawn anew, the same for every model (`Aggregate`).
        missing: metrics that came to no number, each with the reason.
        notes: what a person should know of this score.
        chat: whether it was asked through its chat template; None where that was not kept.
        difference: less the first model's score, in pairs; None for the first model.
    """

    benchmark: str
    task: str
    metric: str
    shots: tuple[int, int]
    documents: dict[str, float]
    seconds: float
    reported: dict[str, dict[str, Any]]
    aggregate: float | None = None
    count: int = 0
    draws: tuple[float, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    chat: bool | None = None
    difference: Estimate | None = None

    @property
    def score(self) -> Estimate:
        """The mean over the documents, standard error s/√n (in a group every document weighs the same); else the
        aggregate with its bootstrap standard error, NaN where there is none.
        """
        if self.aggregate is None:
            return row_mean(np.array(list(self.documents.values()), np.float64))
        return Estimate(value=self.aggregate, stderr=_deviation(self.draws), count=self.count)

    @property
    def is_share(self) -> bool:
        """Whether it is a mean of numbers from 0 to 1, which can be said in per cent."""
        return self.aggregate is None and all(0 <= value <= 1 for value in self.documents.values())

    @staticmethod
    def of(
        benchmark: Benchmark,
        task: str,
        results: Mapping[str, Any],
        *,
        seconds: float,
        aggregations: Mapping[str, Mapping[str, Aggregation]] | None = None,
        by_size: bool = True,
        missing: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
        chat: bool | None = None,
    ) -> "TaskScore":
        """The wanted metric out of what lm-eval returns (`lm_eval.evaluate`, samples logged).

        Args:
            benchmark: which metrics are wanted.
            task: the task or group that was run.
            results: what lm-eval returned.
            seconds: how long it took.
            aggregations: by task and metric; the mean where there is none.
            by_size: whether a group's tasks weigh as many times as they have documents.
            missing: metrics that lm-eval could not aggregate, with the reason.
            notes: kept with the score.
            chat: whether the model was asked through its chat template.

        Raises:
            SpiceError: no metric comes to a number.
        """
        samples: Samples = results["samples"]
        shots = [int(results["n-shot"].get(part) or 0) for part in samples]
        lost = dict(missing or {})
        for metric, answer in _ranked(benchmark, samples):
            parts = _parts(samples, metric, answer, aggregations or {})
            try:
                made = _made(samples, parts, metric, answer, by_size)
            except UnshowableError as error:
                lost[metric] = str(error)
                continue
            return TaskScore(
                benchmark=benchmark.name,
                task=task,
                metric=f"{metric},{answer}",
                shots=(min(shots), max(shots)),
                seconds=seconds,
                reported={name: _plain(values) for name, values in results["results"].items()},
                missing=lost,
                notes=(*notes, *_lacking(samples, parts, metric, answer)),
                chat=chat,
                **made,
            )
        causes = "; ".join(f"{metric}: {cause}" for metric, cause in lost.items())
        raise SpiceError(
            f"lm-eval reported no number a document for {benchmark.name!r}, nor one of all documents"
            f"{f' ({causes})' if causes else ''}: its metric is not supported"
        )

    def against(self, first: "TaskScore") -> "TaskScore":
        """This score with its difference to another model's, over the documents both answered."""
        if self.metric != first.metric or self.task != first.task:
            return self
        notes = (*self.notes, *self._asked_otherwise(first))
        if self.aggregate is not None and first.aggregate is not None:
            return replace(self, difference=self._less(self.aggregate, first, first.aggregate), notes=notes)
        shared = sorted(self.documents.keys() & first.documents.keys())
        own = np.array([self.documents[name] for name in shared], np.float64)
        other = np.array([first.documents[name] for name in shared], np.float64)
        return replace(self, difference=row_difference(own, other), notes=notes)

    def _asked_otherwise(self, first: "TaskScore") -> tuple[str, ...]:
        """What is to be said where one model was asked through its chat template and the other plainly."""
        if None in (self.chat, first.chat) or self.chat == first.chat:
            return ()
        ways = ("through its chat template", "plainly")
        own, other = ways if self.chat else ways[::-1]
        return (
            f"it was asked {own}, the first model {other}, so that their difference is one of the prompts too; "
            "--apply-chat-template no asks both plainly.",
        )

    def _less(self, own: float, first: "TaskScore", other: float) -> Estimate:
        paired = self.count == first.count and len(self.draws) == len(first.draws)
        draws = tuple(np.subtract(self.draws, first.draws).tolist()) if paired else ()
        return Estimate(value=own - other, stderr=_deviation(draws), count=self.count)

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        del content["difference"]
        return content

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "TaskScore":
        pairs = {name: tuple(content.get(name, ())) for name in ("shots", "draws", "notes")}
        return TaskScore(**{**content, **pairs})


def _ranked(benchmark: Benchmark, samples: Samples) -> list[tuple[str, str]]:
    """Metrics and filters, the wanted ones first, else in the task's own order."""
    found = list(
        dict.fromkeys(
            (metric, sample["filter"]) for drawn in samples.values() for sample in drawn for metric in sample["metrics"]
        )
    )
    return sorted(
        found, key=lambda pair: (_place(benchmark.metrics, pair[0]), _place(benchmark.filters, pair[1]))
    )  # a stable sort


def _place(wanted: tuple[str, ...], name: str) -> int:
    return wanted.index(name) if name in wanted else len(wanted)


def _parts(
    samples: Samples, metric: str, answer: str, aggregations: Mapping[str, Mapping[str, Aggregation]]
) -> list[Part]:
    """The documents of each task that reports a metric."""
    values = {
        part: [sample[metric] for sample in drawn if sample["filter"] == answer and metric in sample]
        for part, drawn in sorted(samples.items())
    }
    return [
        Part(name=part, values=found, aggregation=aggregations.get(part, {}).get(metric) or mean_of)
        for part, found in values.items()
        if found
    ]


def _made(samples: Samples, parts: Sequence[Part], metric: str, answer: str, by_size: bool) -> dict[str, Any]:
    """The score as `TaskScore` holds it: one number a document where it is their mean, else draws.

    Raises:
        UnshowableError: the documents make no finite number.
    """
    known = any(is_mean_of_known(part.aggregation) for part in parts)
    means = all(
        part.aggregation is mean_of or is_mean(part.aggregation) or is_mean_of_known(part.aggregation) for part in parts
    )
    if not means or (not by_size and len(parts) > 1):
        found = aggregated(parts, by_size=by_size)
        count = sum(len(part.values) for part in parts)
        return {"documents": {}, "aggregate": found.value, "count": count, "draws": found.draws}
    documents = {
        f"{part.name}/{sample['doc_id']}": _number(sample[metric])
        for part in parts
        for sample in samples[part.name]
        if sample["filter"] == answer and metric in sample
    }
    if known:
        documents = {name: value for name, value in documents.items() if not math.isnan(value)}
    if not documents or not all(map(math.isfinite, documents.values())):
        raise UnshowableError("a document's score is not a finite number")
    return {"documents": documents}


def _number(value: Any) -> float:
    if not isinstance(value, bool | int | float | np.number | np.bool_):
        raise UnshowableError("it is no number a document")
    return float(value)


def _lacking(samples: Samples, parts: Sequence[Part], metric: str, answer: str) -> Iterator[str]:
    """Tasks of a group, and documents of a task, that do not report the metric."""
    lacking = sorted(samples.keys() - {part.name for part in parts})
    if lacking:
        shown = ", ".join(lacking[:5]) + (" …" if len(lacking) > 5 else "")
        yield f"{len(lacking)} of its {len(samples)} tasks report no {metric} and are not in the score: {shown}."
    due = sum(sample["filter"] == answer for part in parts for sample in samples[part.name])
    short = due - sum(len(part.values) for part in parts)
    if short:
        yield f"{short} of its {due} documents report no {metric} and are not in the score."


def _deviation(draws: Sequence[float]) -> float:
    return float(np.std(np.array(draws, np.float64), ddof=1)) if len(draws) > 1 else math.nan


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """lm-eval's numbers without numpy's types; what is no number stays text."""
    return {
        name: value if isinstance(value, str | int | bool) else float(value) if _is_number(value) else str(value)
        for name, value in values.items()
        if not (name.split(",")[0].endswith("_stderr") and value == "N/A")
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, float | np.number) and bool(np.isfinite(value))
