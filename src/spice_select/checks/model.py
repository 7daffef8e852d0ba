"""Is this model fit to be a proxy? The fast engine against the oracle on it, its template, its speed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spice_select.data.corpus import Corpus, read_corpus
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_reader
from spice_select.data.records import Conversation, Drop, Example, Row, Sample
from spice_select.diagnosis.theory import CheckResult
from spice_select.features.proxy import find_proxy, opened
from spice_select.gradients import HookEngine, LoopEngine
from spice_select.gradients.base import BatchGradients, Engine
from spice_select.gradients.build import check_affordable, make_engine
from spice_select.gradients.precision_probe import moved, other_precision, rounding_reach, too_dear, turn
from spice_select.progress import Advance, Progress, Silent
from spice_select.run.settings import SelectSettings
from spice_select.settings.counted import counted

PROBE = 6
"""Rows that are computed by the loop too; short ones, so that the check stays quick."""
DRAWN = 2
"""Rows, the shortest, on which it is found out how much rounding explains: that takes three passes."""

_QUESTIONS = (
    ("What is 17 + 25?", "17 + 25 = 42."),
    ("Name a prime number above ten.", "Eleven is prime, and so is thirteen."),
    ("Write a Python function that doubles a number.", "def double(x):\n    return 2 * x"),
    ("Say hello.", "Hello!"),
    ("Why is the sky blue?", "Air scatters blue light more than red light, so blue reaches us from every direction."),
    ("What is the capital of France?", "Paris."),
)


@dataclass(frozen=True)
class ModelReport:
    """What was found.

    Attributes:
        model: its name.
        checks: one result a question.
        notes: what a person should know about the corpus as it was read, and about its chat template.
    """

    model: str
    checks: list[CheckResult]
    notes: tuple[str, ...]


def check_model(
    settings: SelectSettings, *, corpus: str | None = None, progress: Progress | None = None
) -> ModelReport:
    """Compare the fast engine with the loop on a model, look at its template, and time it.

    Args:
        settings: the model and how its gradients are taken.
        corpus: rows to try and to estimate the time for; six built-in exchanges without.
        progress: told what is being done.

    Raises:
        InputError: as `spice_select.select`.
    """
    shown = progress or Silent()
    proxy = find_proxy(settings.request, progress)
    encoder = Encoder(proxy.tokenizer, max_length=settings.data.max_length)
    read = None
    if corpus is not None:
        read = read_corpus(corpus, settings.data, allow_network=settings.proxy.allow_network)
    examples, dropped = _examples(encoder, settings, read)
    warm = opened(settings.request, proxy.identity.name, shown, examples=examples)
    engine, model = make_engine(settings.gradients, settings.request.seed, warm.state), warm.model
    check_affordable(engine, model)
    probe = sorted(examples, key=lambda example: example.num_tokens)[:PROBE]
    with shown.task("One by one, by autograd", len(probe), "rows") as advance:
        loop = LoopEngine(engine.parameters, engine.sketch, engine.loss, engine.preconditioner, engine.pairs)
        oracle = _one_by_one(loop, model, probe, advance)
    together = engine.features(model, probe)
    reach = _reach(engine, model, probe)
    batch_tokens, checkpoints = proxy.batch_tokens(settings.gradients), settings.gradients.warm_checkpoints
    questions: list[Callable[[], CheckResult]] = [
        lambda: _template(encoder, examples, dropped),
        lambda: _equal("engine equals loop", "one row at a time by plain autograd", oracle, together, reach),
        lambda: _company(engine, model, probe, together, reach),
        lambda: _order(engine, model, probe, together, reach),
        lambda: _coverage(engine, model),
        lambda: _finite(oracle),
        lambda: _cost(engine, model, examples, batch_tokens, checkpoints),
        lambda: _precision(engine, model, probe, together, proxy.dtype, reach),  # the last: it changes the model
    ]
    checks = list[CheckResult]()
    with shown.task("Checking", len(questions), "questions") as advance:
        for question in questions:
            checks.append(question())
            advance(1)
    return ModelReport(proxy.identity.name, checks, (*(read.notes if read else ()), *encoder.notes))


def _one_by_one(
    engine: Engine, model: Any, probe: Sequence[Sample], advance: Advance = lambda amount: None
) -> BatchGradients:
    """The features of rows that are computed each alone, without padding."""
    found = list[BatchGradients]()
    for example in probe:
        found.append(engine.features(model, [example]))
        advance(1)
    return BatchGradients.concatenate(found)


def _examples(encoder: Encoder, settings: SelectSettings, corpus: Corpus | None) -> tuple[list[Sample], int]:
    if corpus is not None:
        encoded = encode_rows(corpus.rows, detect_reader(corpus.rows, settings.data.format), encoder)
        return list(encoded.examples), len(encoded.drops)
    conversations = [
        Conversation(
            row=Row(number, {}, f"built-in exchange {number}"),
            messages=({"role": "user", "content": question}, {"role": "assistant", "content": answer}),
            source="",
        )
        for number, (question, answer) in enumerate(_QUESTIONS)
    ]
    results = encoder.encode_many(conversations)
    return [result for result in results if isinstance(result, Example)], sum(isinstance(r, Drop) for r in results)


def _template(encoder: Encoder, examples: Sequence[Sample], dropped: int) -> CheckResult:
    share = sum(e.num_supervised for e in examples) / sum(e.num_tokens for e in examples)
    shown = f"fallback template {encoder.fallback}" if encoder.fallback else "the model's own template"
    return CheckResult(
        name="template and mask",
        passed=dropped == 0,
        value=share,
        sentence=f"{share:.0%} of the tokens are trained on, by {shown}; {counted(dropped, 'row')} could not be "
        "masked.",
    )


def _reach(engine: HookEngine, model: Any, probe: Sequence[Sample]) -> float:
    shortest = probe[:DRAWN]
    return rounding_reach(engine, model, shortest, engine.features(model, shortest).features)


def _equal(name: str, against: str, left: BatchGradients, right: BatchGradients, reach: float) -> CheckResult:
    found = moved(left.features, right.features)
    return CheckResult(
        name=name,
        passed=found.largest <= reach,
        value=found.largest,
        sentence=f"Features differ from {against} by {found.median:.2g} of their length in the median, "
        f"{found.largest:.2g} at most (rounding explains {reach:.2g}).",
    )


def _company(
    engine: HookEngine, model: Any, probe: Sequence[Sample], together: BatchGradients, reach: float
) -> CheckResult:
    single = _one_by_one(engine, model, probe)
    return _equal("company changes nothing", "each row computed alone, without padding", single, together, reach)


def _order(
    engine: HookEngine, model: Any, probe: Sequence[Sample], together: BatchGradients, reach: float
) -> CheckResult:
    back = engine.features(model, list(reversed(probe)))
    turned = BatchGradients(features=back.features[::-1], losses=back.losses[::-1], norms=back.norms[::-1])
    return _equal("order changes nothing", "the same batch in the opposite order", turned, together, reach)


def _precision(
    engine: HookEngine, model: Any, probe: Sequence[Sample], together: BatchGradients, dtype: str, reach: float
) -> CheckResult:
    """The same rows in another precision; the model is left in that one.

    Judged where the run would be in half precision. One in float32 loses nothing by what bfloat16 would do to it.
    """
    other = other_precision(dtype)
    low, name = (other if dtype == "float32" else dtype), f"features in {other}"
    dear = too_dear(model, probe, other)
    if dear:
        return CheckResult(name=name, passed=None, value=float("nan"), sentence=f"Not measured: {dear}.")
    turn(model, other)
    there = engine.features(model, probe)
    if low == other:
        reach = _reach(engine, model, probe)
    wide, narrow = (together, there) if low == other else (there, together)
    found = moved(wide.features, narrow.features)
    return CheckResult(
        name=name,
        passed=None if low == other else found.largest <= reach,
        value=found.largest,
        sentence=f"{low} moves features from float32 by {found.median:.2g} of their length in the median, "
        f"{found.largest:.2g} at most (rounding explains {reach:.2g}); picks of like worth may change places.",
    )


def _coverage(engine: HookEngine, model: Any) -> CheckResult:
    """What makes a gradient. What is left out makes no gradient wrong, so it is named and not judged."""
    coverage = engine.parameters.coverage(model)
    missed, captured = coverage.uncaptured, f"{coverage.num_parameters:,} parameters in {len(coverage.blocks)} blocks"
    weights = dict(model.named_parameters())
    names = ", ".join(missed[:3]) + (" …" if len(missed) > 3 else "")
    return CheckResult(
        name="every layer captured",
        passed=None if missed else True,
        value=float(len(missed)),
        sentence=f"Covers part of the model: {captured} make a gradient; {len(missed)} weight matrices "
        f"({sum(weights[name].numel() for name in missed):,} weights) have no part in it, for they cannot be captured: "
        f"{names}."
        if missed
        else f"{captured} make a gradient; no weight matrix is left out.",
    )


def _finite(gradients: BatchGradients) -> CheckResult:
    good = int(gradients.finite.sum())
    return CheckResult(
        name="losses are finite",
        passed=good == len(gradients.losses),
        value=float(np.mean(gradients.losses)),
        sentence=f"{good} of {len(gradients.losses)} rows have a finite loss and gradient; try --dtype float32 if not.",
    )


def _cost(
    engine: HookEngine, model: Any, examples: Sequence[Sample], batch_tokens: int, checkpoints: int
) -> CheckResult:
    """Time on a batch like those of a run; the rows pass once for each checkpoint."""
    middle = sorted(examples, key=lambda example: example.num_tokens)[len(examples) // 2 :]
    size = max(1, batch_tokens // middle[0].num_tokens)
    batch = (list(middle) * size)[: max(1, min(size, 16))]
    seconds = _timed(lambda: engine.features(model, batch))
    speed = sum(example.num_tokens for example in batch) / seconds / checkpoints
    tokens, numbers = sum(example.num_tokens for example in examples), engine.dim(model) * checkpoints * len(examples)
    return CheckResult(
        name="cost",
        passed=None,
        value=speed,
        sentence=f"{speed:,.0f} tokens a second; {counted(len(examples), 'row')} of {tokens:,} tokens in about "
        f"{tokens / speed / 60:,.1f} min, and {4 * numbers / 1e6:,.1f} MB of features.",
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
