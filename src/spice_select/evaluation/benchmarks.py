"""The eight benchmarks of the paper (its Table 1) by name: the lm-eval task, the worked examples, the metric.

The paper states neither harness nor shots; what stands here is what is usual for each benchmark. Scores are only to be
compared with scores made the same way.
"""

from collections.abc import Collection
from dataclasses import dataclass

from spice_select.errors import InputError, nearest


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark as lm-eval runs it.

    Attributes:
        name: what it is called here.
        task: lm-eval's task or group.
        chat_task: the variant for prompts through a chat template, where there is one.
        shots: worked examples in the prompt; None leaves it to the task.
        metrics: lm-eval's metric names, the wanted one first: the first that a task reports is taken.
        filters: lm-eval's answer filters, the wanted one first; any other will do after them.
        measures: what the number says, for people.
        runs_code: whether code that the model writes is executed.
    """

    name: str
    task: str
    chat_task: str | None = None
    shots: int | None = None
    metrics: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    measures: str = "the task's own metric"
    runs_code: bool = False

    def official(self, chat: bool) -> str:
        """The task in lm-eval's own collection, with or without a chat template."""
        return self.chat_task if chat and self.chat_task else self.task


BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        name="gsm8k",
        task="gsm8k",
        shots=5,
        metrics=("exact_match",),
        filters=("flexible-extract",),
        measures="exact match of the last number in the answer",
    ),
    Benchmark(
        name="bbh",
        task="bbh_cot_fewshot",
        shots=3,
        metrics=("exact_match",),
        filters=("get-answer",),
        measures="exact match of what follows 'the answer is', after a chain of thought",
    ),
    Benchmark(name="mmlu", task="mmlu", shots=5, metrics=("acc",), measures="accuracy, the likeliest of four letters"),
    Benchmark(
        name="arc_challenge",
        task="arc_challenge",
        shots=25,
        metrics=("acc_norm", "acc"),
        measures="accuracy, the likeliest choice by its length",
    ),
    Benchmark(
        name="truthfulqa",
        task="truthfulqa_mc2",
        shots=0,
        metrics=("acc",),
        measures="MC2: the probability on true answers (MC1, accuracy, where only that task is at hand)",
    ),
    Benchmark(
        name="ifeval",
        task="ifeval",
        shots=0,
        metrics=("prompt_level_strict_acc",),
        measures="prompts of which every instruction is followed, strictly read",
    ),
    Benchmark(
        name="humaneval",
        task="humaneval",
        chat_task="humaneval_instruct",
        shots=0,
        metrics=("pass@1", "pass_at_1"),
        measures="pass@1, greedy",
        runs_code=True,
    ),
    Benchmark(
        name="mbpp",
        task="mbpp",
        chat_task="mbpp_instruct",
        shots=3,
        metrics=("pass_at_1", "pass@1"),
        measures="pass@1, greedy",
        runs_code=True,
    ),
)


def wanted(names: tuple[str, ...]) -> tuple[Benchmark, ...]:
    """Benchmarks by name, each once, in the order asked; ``all`` is the eight. Other names pass as lm-eval tasks."""
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    found: dict[str, Benchmark] = {}
    for name in names:
        for benchmark in BENCHMARKS if name == "all" else (known.get(name) or Benchmark(name=name, task=name),):
            found.setdefault(benchmark.name, benchmark)
    return tuple(found.values())


def local_task(benchmark: Benchmark, tasks: Collection[str], *, chat: bool) -> str | None:
    """The task among a person's own files that stands for a benchmark, or None.

    By preference: lm-eval's own name for it, the benchmark's name, either with ``_local`` after it, and at last the
    only one whose name begins with the benchmark's.

    Raises:
        InputError: several begin with it, and nothing says which is meant.
    """
    stems = (benchmark.official(chat), benchmark.task, benchmark.name)
    for name in (*stems, *(f"{stem}_local" for stem in stems)):
        if name in tasks:
            return name
    alike = sorted(name for name in tasks if name.startswith(f"{benchmark.name}_"))
    if len(alike) > 1:
        raise InputError(
            f"benchmark {benchmark.name!r}: --include-path holds {', '.join(alike)}. Name the one that is meant."
        )
    return alike[0] if alike else None


def unknown_task(name: str, tasks: Collection[str], *, unread: str = "") -> InputError:
    """The error for a task that neither this file nor lm-eval knows; `unread` says what was passed over."""
    known = [*(benchmark.name for benchmark in BENCHMARKS), *tasks]
    return InputError(
        f"task {name!r}: neither one of {', '.join(benchmark.name for benchmark in BENCHMARKS)} nor a task of "
        f"lm-eval.{unread or nearest(name, known)}"
    )
