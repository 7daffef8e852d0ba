"""Is this model fit to be a proxy? The fast engine against the oracle on it, its template, its speed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.corpus import Corpus, read_corpus
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.records import Conversation, Drop, Example, Row
from spice_select.diagnosis.theory import CheckResult
from spice_select.features.proxy import find_proxy, load_proxy, warmed
from spice_select.gradients import HookEngine, LoopEngine
from spice_select.gradients.base import BatchGradients
from spice_select.gradients.build import check_affordable, make_engine
from spice_select.gradients.lengths import refuse_long_rows
from spice_select.run.settings import SelectSettings

PROBE = 6
"""Rows that are computed by the loop too; short ones, so that the check stays quick."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "float16": 0.05}
"""Largest relative difference that rounding explains, by precision."""

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


def check_model(settings: SelectSettings, *, corpus: str | None = None) -> ModelReport:
    """Compare the fast engine with the loop on a model, look at its template, and time it.

    Args:
        settings: the model and how its gradients are taken.
        corpus: rows to try and to estimate the time for; six built-in exchanges without.

    Raises:
        InputError: as `spice_select.select`.
    """
    proxy = find_proxy(settings.request)
    encoder = Encoder(proxy.tokenizer, max_length=settings.data.max_length)
    read = None
    if corpus is not None:
        read = read_corpus(corpus, settings.data, allow_network=settings.proxy.allow_network)
    examples, dropped = _examples(encoder, settings, read)
    loaded = load_proxy(settings.request)
    refuse_long_rows(loaded.model, examples)
    warm = warmed(loaded.model, settings.request, examples)
    engine, model = make_engine(settings.gradients, settings.selection.seed, warm.state), warm.model
    check_affordable(engine, model)
    probe = sorted(examples, key=lambda example: example.num_tokens)[:PROBE]
    tolerance = TOLERANCE[proxy.dtype]
    oracle = LoopEngine(engine.parameters, engine.sketch, engine.loss, engine.preconditioner).features(model, probe)
    together = engine.features(model, probe)
    checks = [
        _template(encoder, examples, dropped),
        _equal("engine equals loop", "one row at a time by plain autograd", oracle, together, tolerance),
        _company(engine, model, probe, together, tolerance),
        _order(engine, model, probe, together, tolerance),
        _coverage(engine, model),
        _finite(oracle),
        _cost(engine, model, examples, proxy.batch_tokens(settings.gradients)),
    ]
    return ModelReport(proxy.identity.name, checks, (*(read.notes if read else ()), *encoder.notes))


def _examples(encoder: Encoder, settings: SelectSettings, corpus: Corpus | None) -> tuple[list[Example], int]:
    if corpus is not None:
        encoded = encode_rows(corpus.rows, detect_format(corpus.rows, settings.data.format), encoder)
        return encoded.examples, len(encoded.drops)
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


def _template(encoder: Encoder, examples: Sequence[Example], dropped: int) -> CheckResult:
    share = sum(e.num_supervised for e in examples) / sum(e.num_tokens for e in examples)
    shown = f"fallback template {encoder.fallback}" if encoder.fallback else "the model's own template"
    return CheckResult(
        name="template and mask",
        passed=dropped == 0,
        value=share,
        sentence=f"{share:.0%} of the tokens are trained on, by {shown}; {dropped} rows could not be masked.",
    )


def _equal(name: str, against: str, left: BatchGradients, right: BatchGradients, tolerance: float) -> CheckResult:
    error = _difference(left.features, right.features)
    return CheckResult(
        name=name,
        passed=error <= tolerance,
        value=error,
        sentence=f"Features differ from {against} by {error:.1e} of their length at most (allowed: {tolerance:g}).",
    )


def _difference(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    lengths = np.linalg.norm(left, axis=1)
    return float(np.max(np.linalg.norm(left - right, axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)))


def _company(
    engine: HookEngine, model: Any, probe: Sequence[Example], together: BatchGradients, tolerance: float
) -> CheckResult:
    alone = [engine.features(model, [example]) for example in probe]
    single = BatchGradients(
        features=np.concatenate([one.features for one in alone]),
        losses=np.concatenate([one.losses for one in alone]),
        norms=np.concatenate([one.norms for one in alone]),
    )
    return _equal("company changes nothing", "each row computed alone, without padding", single, together, tolerance)


def _order(
    engine: HookEngine, model: Any, probe: Sequence[Example], together: BatchGradients, tolerance: float
) -> CheckResult:
    back = engine.features(model, list(reversed(probe)))
    turned = BatchGradients(features=back.features[::-1], losses=back.losses[::-1], norms=back.norms[::-1])
    return _equal("order changes nothing", "the same batch in the opposite order", turned, together, tolerance)


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


def _cost(engine: HookEngine, model: Any, examples: Sequence[Example], batch_tokens: int) -> CheckResult:
    """Time on a batch like those of a run."""
    middle = sorted(examples, key=lambda example: example.num_tokens)[len(examples) // 2 :]
    size = max(1, batch_tokens // middle[0].num_tokens)
    batch = (list(middle) * size)[: max(1, min(size, 16))]
    seconds = _timed(lambda: engine.features(model, batch))
    speed = sum(example.num_tokens for example in batch) / seconds
    tokens = sum(example.num_tokens for example in examples)
    return CheckResult(
        name="cost",
        passed=None,
        value=speed,
        sentence=f"{speed:,.0f} tokens a second; {len(examples):,} rows of {tokens:,} tokens take about "
        f"{tokens / speed / 60:,.1f} min, and {engine.dim(model) * 4 * len(examples) / 1e6:,.1f} MB of features.",
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
