"""What there is to know of a loaded lm-eval task before a model answers it."""

import hashlib
import inspect
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from spice_select.evaluation.aggregates import UnshowableError, apply, is_mean

_TRIED = 1000
"""Documents that made-up answers are given to, at most."""


def task_digest(tasks: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over what decides the scores of loaded tasks beside the model and our settings.

    That is each task's version, its settings with the source of their functions, and every document to answer or to
    show as a worked example, as the task gives them; the place its data are read from is left out. The same for the
    same content in any folder. Cost: one pass over the documents.
    """
    digest = hashlib.sha256()
    for name, task in sorted(tasks.items()):
        digest.update(_json([name, str(task.VERSION), _settings(task)]))
        for documents in (task.eval_docs, _examples(task)):
            digest.update(b"\0documents\0")
            for document in documents:
                digest.update(_json(document))
    return digest.hexdigest()


def _settings(task: Any) -> dict[str, Any]:
    """A task's settings, less the places that it and its data were read from."""
    config = {key: value for key, value in task.dump_config().items() if key not in ("dataset_path", "dataset_kwargs")}
    metadata = config.get("metadata")
    if isinstance(metadata, dict):
        config["metadata"] = {key: value for key, value in metadata.items() if key != "config_source"}
    return config


def shots_of(task: Any, asked: int | None, usual: int | None) -> tuple[int, str | None]:
    """How many worked examples a task shows, and a sentence where that is not what was asked.

    As asked; else as the task says; else as is usual for the benchmark; else none. A task that says 0 keeps it, as in
    lm-eval: its prompt has no place for examples, or has them in it.

    Args:
        task: a loaded task.
        asked: what the person gave, if anything.
        usual: for the benchmark, if anything.
    """
    own = task.get_config("num_fewshot")
    if asked is None:
        return (own if own is not None else usual or 0), None
    if own == 0 != asked:
        name = task.get_config("task")
        return 0, f"{name} says itself that it shows no worked examples, so --num-fewshot {asked} is not followed."
    return asked, None


def lacks_examples(task: Any, shots: int) -> str | None:
    """Why a task cannot show so many worked examples, or None; a task's own list of them is not looked into."""
    try:
        there = len(list(itertools.islice(_examples(task), shots + 1)))
    except TypeError:
        return None
    if there >= shots:
        return None
    return f"it has {there} documents to draw {shots} worked examples from. Give --num-fewshot {there}, or a task file"


def examples_note(task: Any, shots: int) -> str | None:
    """A sentence where worked examples are drawn from the very documents that are answered."""
    own = getattr(task, "fewshot_cfg", None)
    if shots == 0 or getattr(own, "split", None) or getattr(own, "samples", None) or task.has_training_docs():
        return None
    if task.has_test_docs() and task.has_validation_docs():
        return None
    name = task.get_config("task")
    return f"{name} names no split for worked examples: they are drawn from the documents that it asks, save the one."


@contextmanager
def naming_metrics() -> Iterator[None]:
    """Have a metric named that lm-eval does not know, where loading its task ends in ``KeyError: None``."""
    import lm_eval.api.task as building

    plain = building.get_metric_aggregation

    def named(name: Any) -> Any:
        found = plain(name)
        if found is None:
            raise ValueError(f"its metric {name!r} names no aggregation, and lm-eval knows none for a metric so called")
        return found

    building.get_metric_aggregation = named
    try:
        yield
    finally:
        building.get_metric_aggregation = plain


def unknown_metric(task: Any) -> str | None:
    """What a task's metrics ask for that lm-eval does not know, or None; nothing is asked of tasks that are code."""
    for metric, aggregation in dict(task.aggregation()).items():
        if aggregation is None:
            return f"lm-eval knows no aggregation so called as that of its metric {metric!r}"
    from lm_eval.api.task import ConfigurableTask

    code = getattr(type(task), "process_results", None) is not ConfigurableTask.process_results
    if code or task.get_config("process_results") is not None:
        return None
    for metric, function in getattr(task, "_metric_fn_list", {}).items():
        if function is None:
            return f"its metric {metric!r} is known neither to lm-eval nor, on this machine, to the package `evaluate`"
    return None


def unshowable(task: Any, *, runs_code: bool) -> tuple[dict[str, str], int]:
    """Metrics whose score could not be shown, found before the run on answers that are made up.

    Args:
        task: a loaded task.
        runs_code: whether the task would run what a model answers; then nothing is tried.

    Returns:
        The reason by metric; and how many metrics the task has.
    """
    aggregations = dict(task.aggregation())
    failed: dict[str, str] = {}
    tried = {} if runs_code else _made_up(task)
    for metric, aggregation in aggregations.items():
        if metric not in tried and is_mean(aggregation):
            continue
        try:
            apply(aggregation, tried.get(metric, ()))
        except UnshowableError as error:
            if metric in tried or "bypass" in str(error):
                failed[metric] = str(error)
    return failed, len(aggregations)


def _made_up(task: Any) -> dict[str, list[Any]]:
    """What the task makes of made-up answers, by metric; nothing where it cannot make anything of them."""
    found: dict[str, list[Any]] = {}
    try:
        for document in itertools.islice(task.eval_docs, _TRIED):
            for metric, value in task.process_results(document, _answers(task, document)).items():
                found.setdefault(metric, []).append(value)
    except Exception:  # a task's own code, which expects other answers: nothing is known then
        return {}
    return found


def _answers(task: Any, document: Any) -> Sequence[Any]:
    kind = task.OUTPUT_TYPE
    if kind == "multiple_choice":
        return [(-1.0, False)] * len(task.doc_to_choice(document))
    if kind == "loglikelihood":
        return [(-1.0, False)]
    if kind == "loglikelihood_rolling":
        return [-1.0]
    return ["1"]


def _examples(task: Any) -> Iterable[Any]:
    found = task.fewshot_docs()
    return () if found is None else found


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_text).encode("utf-8", "surrogatepass") + b"\n"


def _text(value: Any) -> Any:
    """What JSON cannot say, without the address it has in memory."""
    if callable(value):
        try:
            return inspect.getsource(value)
        except (OSError, TypeError):
            return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, Iterator):
        return list(value)
    content = getattr(value, "__dict__", None)
    return dict(content) if content else f"{type(value).__module__}.{type(value).__qualname__}:{_plain(value)}"


def _plain(value: Any) -> str:
    text = str(value)
    return "" if " at 0x" in text else text
