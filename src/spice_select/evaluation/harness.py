"""lm-eval on a loaded model: tasks found and read before anything runs, one score a document, progress shown.

Imported only when benchmarks are asked for: lm-eval is an extra.
"""

import collections
import contextlib
import functools
import hashlib
import importlib.util
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import yaml

from spice_select.errors import InputError, fault_words
from spice_select.evaluation.aggregates import Aggregation, Guarded
from spice_select.evaluation.benchmarks import Benchmark, local_task, unknown_task
from spice_select.evaluation.reporting import reporting_model
from spice_select.evaluation.scores import TaskScore
from spice_select.evaluation.settings import BenchmarkSettings
from spice_select.evaluation.subjects import Opened
from spice_select.evaluation.task_facts import (
    examples_note,
    lacks_examples,
    naming_metrics,
    shots_of,
    task_digest,
    unknown_metric,
    unshowable,
)
from spice_select.models.quiet import network
from spice_select.progress import Progress
from spice_select.run.identity import package_version
from spice_select.settings.counted import counted

_SEED = 1234
"""Seed of the worked examples' draw: lm-eval's own default."""
_DECISIVE = ("lm_eval", "datasets", "evaluate", "sacrebleu", "scikit-learn", "peft")
"""Packages whose version can change a score, beside those that run the model."""
_NETWORK_ERRORS = (ConnectionError, FileNotFoundError, OSError, ValueError, ImportError, LookupError)
_GENERATION_FAULTS = (ValueError, TypeError, AssertionError)
"""What lm-eval and transformers raise for settings of generation that they do not know, or that cannot be."""


def require_lm_eval() -> None:
    """Raise InputError naming the extra where lm-eval is not installed."""
    if importlib.util.find_spec("lm_eval") is None:
        raise InputError(
            "--tasks needs lm-eval, which is not installed: pip install 'spice-select[evaluate]'. The held-out loss "
            "(--held-out) needs nothing more."
        )


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A benchmark and the task that stands for it.

    Attributes:
        benchmark: what was asked.
        task: the lm-eval task or group.
        chat: whether prompts go through the chat template.
    """

    benchmark: Benchmark
    task: str
    chat: bool


class Harness:
    """lm-eval under given settings.

    Args:
        settings: benchmarks, task files, limits, permissions.
        allow_network: whether benchmark data may be fetched from the hub.
    """

    def __init__(self, settings: BenchmarkSettings, *, allow_network: bool) -> None:
        require_lm_eval()
        self._settings, self._allow_network = settings, allow_network
        self._seen: dict[str, Any] = {}
        self._digests: dict[str, str] = {}
        if settings.include_path is not None and not settings.include_path.is_dir():
            raise InputError(
                f"--include-path {settings.include_path}: no such folder. Give one with lm-eval task files (*.yaml)."
            )

    def plan(self, benchmark: Benchmark, *, chat: bool) -> Planned:
        """Which task stands for a benchmark. Raises InputError for an unknown one."""
        name = local_task(benchmark, self._own.all_tasks, chat=chat) if self._own is not None else None
        if name is None:
            name = benchmark.official(chat)
            if name not in self._all.all_tasks:
                raise unknown_task(benchmark.name, self._all.all_tasks, unread=_unread(self._settings.include_path))
        return Planned(benchmark=benchmark, task=name, chat=chat)

    def identity(self, planned: Planned) -> dict[str, Any]:
        """What decides a score beside the model: settings, task files, documents, versions. Errors as `check`."""
        folder = self._settings.include_path
        return {
            "task": planned.task,
            "task_files_sha256": _files_hash(folder) if folder is not None and self._is_own(planned) else "",
            "chat": planned.chat,
            "limit": self._settings.limit,
            "task_sha256": self._digest(planned),
            "num_fewshot": self._settings.num_fewshot,
            "usual_shots": planned.benchmark.shots,
            "metrics": [list(planned.benchmark.metrics), list(planned.benchmark.filters)],
            "task_batch_size": self._settings.task_batch_size,
            **{f"version_{package}": package_version(package) for package in _DECISIVE},
        }

    def permit(self, planned: Planned) -> None:
        """See that a task may run. Raises InputError where it runs a model's code, and this was not confirmed."""
        if planned.benchmark.runs_code:
            self._refuse_code(planned)
        for task in self._loaded(planned)["tasks"].values():
            if getattr(task, "UNSAFE_CODE", False):
                self._refuse_code(planned)

    def check(self, planned: Planned) -> None:
        """Read a task's data and see that it can run, before any model is loaded.

        Raises:
            InputError: the data is not here and the network is not allowed, a package or NLTK's data is missing, the
                task asks for what a text model cannot see, it lacks the worked examples asked for, or none of its
                metrics comes to a number that can be shown.
        """
        if planned.benchmark.name == "ifeval":
            _check_nltk(self._allow_network)
        for name, task in self._loaded(planned)["tasks"].items():
            self._check_task(planned, name, task)

    def run(self, planned: Planned, opened: Opened, progress: Progress) -> TaskScore:
        """Run one benchmark on a loaded model. Errors as `check`."""
        import lm_eval

        started = time.monotonic()
        with self._quiet():
            loaded = self._load(planned)
            notes = [note for task in loaded["tasks"].values() for note in self._prepare(task, planned.benchmark)]
            failed: dict[str, str] = {}
            plain = {name: _guard(task, failed) for name, task in loaded["tasks"].items()}
            model = reporting_model(opened, self._settings.task_batch_size, progress, planned.benchmark.name)
            with self._naming_own_code(planned):
                results = lm_eval.evaluate(
                    lm=model,
                    task_dict=loaded,
                    limit=self._settings.limit,
                    bootstrap_iters=0,
                    apply_chat_template=planned.chat,
                    fewshot_as_multiturn=planned.chat,
                    confirm_run_unsafe_code=self._settings.confirm_run_unsafe_code,
                )
        if model.cut:
            notes.append(
                f"{counted(model.cut, 'prompt is', 'prompts are')} longer than the {model.max_length} tokens that "
                "the model takes, less those "
                "it is to write; lm-eval drops what they begin with."
            )
        return TaskScore.of(
            planned.benchmark,
            planned.task,
            results,
            seconds=time.monotonic() - started,
            aggregations={name: dict(aggregations()) for name, aggregations in plain.items()},
            by_size=_by_size(loaded.get("groups", {}).get(planned.task)),
            missing=failed,
            notes=notes,
            chat=planned.chat,
        )

    def _prepare(self, task: Any, benchmark: Benchmark) -> list[str]:
        """Give a task its worked examples; what a person should know of them."""
        shots, note = shots_of(task, self._settings.num_fewshot, benchmark.shots)
        task.set_config(key="num_fewshot", value=shots)
        task.set_fewshot_seed(seed=_SEED)
        return [said for said in (note, examples_note(task, shots)) if said]

    def _check_task(self, planned: Planned, name: str, task: Any) -> None:
        if getattr(task, "MULTIMODAL", False):
            raise InputError(f"task {name!r}: it shows images or sound, and only text is given to a model here.")
        unknown = unknown_metric(task) if self._is_own(planned) else None
        if unknown is not None:
            raise InputError(f"task {name!r} of --include-path: {unknown}. Mend its metric_list.")
        shots, _ = shots_of(task, self._settings.num_fewshot, planned.benchmark.shots)
        lacking = lacks_examples(task, shots)
        if lacking:
            raise InputError(f"task {name!r}: {lacking} with more.")
        runs_code = planned.benchmark.runs_code or bool(getattr(task, "UNSAFE_CODE", False))
        with self._quiet():
            failed, metrics = unshowable(task, runs_code=runs_code)
        if metrics and len(failed) == metrics:
            causes = "; ".join(f"{metric}: {cause}" for metric, cause in failed.items())
            raise InputError(
                f"task {name!r}: none of its metrics comes to a number ({causes}). Give it a metric that does, in a "
                "task file of your own (--include-path)."
            )

    def _refuse_code(self, planned: Planned) -> None:
        if not self._settings.confirm_run_unsafe_code:
            raise InputError(
                f"task {planned.benchmark.name!r}: it runs the code that the model writes, on this machine, with your "
                "rights. Run it in a container or a virtual machine, and allow it with --confirm-run-unsafe-code."
            )

    def _digest(self, planned: Planned) -> str:
        if planned.task not in self._digests:
            with self._quiet():
                self._digests[planned.task] = task_digest(self._loaded(planned)["tasks"])
        return self._digests[planned.task]

    def _loaded(self, planned: Planned) -> Any:
        """A task to look at: loaded once, and given to no model."""
        if planned.task not in self._seen:
            self._seen[planned.task] = self._load(planned)
        return self._seen[planned.task]

    def _load(self, planned: Planned) -> Any:
        own = self._is_own(planned)
        manager = self._own if own else self._all
        try:
            with self._quiet(), naming_metrics():
                return manager.load([planned.task])
        except Exception as error:  # a file of one's own may raise anything: templates, functions, empty data
            if not own and not isinstance(error, _NETWORK_ERRORS):
                raise
            raise InputError(self._explanation(planned, error)) from error

    def _is_own(self, planned: Planned) -> bool:
        return self._own is not None and planned.task in self._own.all_tasks

    @contextlib.contextmanager
    def _naming_own_code(self, planned: Planned) -> Iterator[None]:
        """Tell a fault in a task's own functions or templates, which the person can mend, from one of ours."""
        try:
            yield
        except Exception as error:
            frames, folder = traceback.extract_tb(error.__traceback__), self._settings.include_path
            if folder is None or not self._is_own(planned):
                raise
            if isinstance(error, _GENERATION_FAULTS) and any(frame.name == "generate_until" for frame in frames):
                raise InputError(
                    f"task {planned.task!r} of --include-path: the model cannot write as its generation_kwargs say "
                    f"({fault_words(error)[:300]}). Mend them in its file."
                ) from error
            own = [frame for frame in frames if Path(frame.filename).resolve().is_relative_to(folder.resolve())]
            if not own and not isinstance(error, jinja2.TemplateError):
                raise
            where = f" at {own[-1].filename}:{own[-1].lineno}" if own else " in a template of its file"
            raise InputError(
                f"task {planned.task!r} of --include-path: it fails{where} ({fault_words(error)[:300]}). Mend it there."
            ) from error

    def _explanation(self, planned: Planned, error: Exception) -> str:
        cause = fault_words(error)[:300]
        named = f"task {planned.task!r}"
        if self._is_own(planned):
            return f"{named} of --include-path: it cannot be loaded ({cause}). Mend its file, or what the file reads."
        if isinstance(error, ImportError):
            return f"{named}: it needs a package that is not installed ({cause}): pip install 'spice-select[evaluate]'"
        if not self._allow_network:
            return (
                f"{named}: its data or metric is not on this machine ({cause}), and the network is not used unless "
                "asked for. Allow it with --allow-network, or give task files that read local data with "
                "--include-path."
            )
        return f"{named}: its data or metric cannot be had ({cause}). Check the connection, or use --include-path."

    @cached_property
    def _own(self) -> Any:
        """The tasks of --include-path alone, which are found at once; None without."""
        if self._settings.include_path is None:
            return None
        from lm_eval.tasks import TaskManager

        with self._quiet():
            return TaskManager(include_path=str(self._settings.include_path), include_defaults=False)

    @cached_property
    def _all(self) -> Any:
        """Every task that lm-eval knows: reading its index takes some ten seconds."""
        from lm_eval.tasks import TaskManager

        with self._quiet():
            path = self._settings.include_path
            return TaskManager(include_path=str(path) if path else None)

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """No network unless allowed, no bars and notices beside ours; what a library was set to is put back."""
        import datasets
        import lm_eval.api.task as building

        logger, bar = logging.getLogger("lm_eval"), building.tqdm
        level, offline, shown = logger.level, datasets.config.HF_HUB_OFFLINE, not datasets.are_progress_bars_disabled()
        logger.setLevel(logging.ERROR)
        datasets.config.HF_HUB_OFFLINE = offline or not self._allow_network
        datasets.disable_progress_bars()
        building.tqdm = functools.partial(bar, disable=True)
        try:
            with network(self._allow_network), _code_allowed(self._settings.confirm_run_unsafe_code):
                yield
        finally:
            logger.setLevel(level)
            datasets.config.HF_HUB_OFFLINE = offline
            building.tqdm = bar
            if shown:
                datasets.enable_progress_bars()


def _guard(task: Any, failed: dict[str, str]) -> Callable[[], Mapping[str, Aggregation]]:
    """Let no aggregation of a task raise, and return what gives its own."""
    plain: Callable[[], Mapping[str, Aggregation]] = task.aggregation
    task.aggregation = lambda: Guarded(plain(), failed)
    return plain


def _by_size(group: Any) -> bool:
    """Whether lm-eval weighs a group's tasks by their documents; where the group says nothing, so do we."""
    asked = getattr(group, "aggregate_metric_list", None) or []
    return all(metric.weight_by_size for metric in asked)


def _unread(folder: Path | None) -> str:
    """Task files that are no YAML, which lm-eval passes over, as the end of a sentence."""
    for path in sorted(folder.rglob("*.yaml")) if folder is not None else []:
        try:
            collections.deque(yaml.parse(path.read_text(encoding="utf-8")), maxlen=0)
        except (yaml.YAMLError, ValueError, OSError) as error:
            return f" {path} cannot be read ({fault_words(error)[:200]}), so its tasks are not known."
    return ""


def _files_hash(folder: Path) -> str:
    """SHA-256 over the task files (YAML and Python) of a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in ("*.yaml", "*.py") for path in folder.rglob(pattern)):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _check_nltk(allow_network: bool) -> None:
    """The checkers of ifeval split sentences with NLTK's punkt_tab, and would try to fetch it."""
    missing = [name for name in ("nltk", "langdetect", "immutabledict") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"ifeval needs {', '.join(missing)}: pip install 'spice-select[evaluate]'")
    if allow_network:
        return
    import nltk

    try:
        nltk.data.find("tokenizers/punkt_tab")
    except LookupError as error:
        raise InputError(
            "ifeval needs NLTK's punkt_tab, which is not on this machine, and the network is not used unless asked "
            "for. Allow it with --allow-network, or set NLTK_DATA to a folder that holds tokenizers/punkt_tab."
        ) from error


@contextlib.contextmanager
def _code_allowed(confirmed: bool) -> Iterator[None]:
    """Hugging Face's code_eval wants to be told by the environment as well."""
    before = os.environ.get("HF_ALLOW_CODE_EVAL")
    if confirmed:
        os.environ["HF_ALLOW_CODE_EVAL"] = "1"
    try:
        yield
    finally:
        if confirmed:
            os.environ.pop("HF_ALLOW_CODE_EVAL", None)
            if before is not None:
                os.environ["HF_ALLOW_CODE_EVAL"] = before
