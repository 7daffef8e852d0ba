"""The suites of sketches, engines, features and executors refute each way of breaking a promise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spice_select.executors import LocalExecutor
from spice_select.gradients import HookEngine, LoopEngine, LoraGradients, TokenSum
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, Projection, SparseJL
from spice_select.store import FeatureBlock
from spice_select.testing.engine import check_engine, sample_batch
from spice_select.testing.executor import check_executor
from spice_select.testing.feature import check_feature
from spice_select.testing.sketch import check_sketch

# ---- sketches


class Bent(Projection):
    """A sparse sketch with one promise broken."""

    def __init__(self, fault: str, seed: int) -> None:
        self._inner = SparseJL(16, seed=0 if fault == "one map" else seed).bind([])
        self._fault, self._calls = fault, 0
        super().__init__(16)

    def add(self, features, block, gradients):
        own = torch.zeros_like(features)
        self._inner.add(own, block, gradients)
        self._calls += 1
        if self._fault == "bent":
            own = own.abs()
        if self._fault == "long":
            own = 1.5 * own
        if self._fault == "order":
            own = own * self._calls
        if self._fault == "company":
            own = own - own.mean(0)
        features += own

    def add_factors(self, features, block, left, right):
        self.add(features, block, 2.0 * left.transpose(1, 2) @ right if self._fault == "factors" else left.mT @ right)


class BentSketch:
    name = "bent"

    def __init__(self, fault: str, seed: int) -> None:
        self.fault, self.seed = fault, seed

    def bind(self, blocks):
        return Bent(self.fault, self.seed)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("bent", "not linear"),
        ("long", "biased"),
        ("order", "order of layers"),
        ("company", "other samples"),
        ("factors", "factors give other features"),
        ("one map", "biased|do not decide its map"),
    ],
)
def test_a_sketch_that_breaks_a_promise_is_refuted(fault: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_sketch(lambda seed: BentSketch(fault, seed), draws=200)


def test_a_sketch_that_draws_nothing_must_be_exact() -> None:
    with pytest.raises(AssertionError, match="biased"):
        check_sketch(lambda seed: SparseJL(16, seed=seed), random=False)


# ---- engines

LORA = LoraGradients(LoraSpec(rank=4, alpha=12.0))


class Faulty(HookEngine):
    """The fast engine with one promise broken."""

    def __init__(self, fault: str) -> None:
        super().__init__(LORA, Identity(), TokenSum() if fault == "loss" else None)
        self._fault = fault

    def features(self, model, examples):
        found = super().features(model, examples)
        if self._fault == "company":
            return replace(found, features=found.features * (1 + 0.01 * (len(examples) == 1)))
        if self._fault == "order":
            heavier = np.linspace(1, 1.1, len(examples)) if examples[0].row else np.ones(len(examples))
            return replace(found, features=found.features * heavier[:, None])
        if self._fault == "norms":
            return replace(found, norms=found.norms * 1.01)
        if self._fault == "thaws":
            next(model.parameters()).requires_grad_(True)
        return found


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("loss", "features are not the oracle's"),
        ("norms", "norms are not the oracle's"),
        ("order", "the order of a batch"),
        ("company", "alone has other features"),
        ("thaws", "not left as it was"),
    ],
)
def test_an_engine_that_breaks_a_promise_is_refuted(fault: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_engine(Faulty(fault), LoopEngine(LORA, Identity()))


# ---- features


class Lengths:
    """What is known without any model: how long a row is; with one promise broken, or none."""

    name = "lengths"

    def __init__(self, fault: str = "") -> None:
        self._fault = fault
        if fault == "name":
            self.name = "a/b"

    def facts(self):
        return {"of": (1, 2)} if self._fault == "facts" else {"of": "tokens"}

    def open(self):
        return self._compute

    def _compute(self, examples):
        rows = np.array([example.row for example in examples])
        length = np.array([float(example.num_tokens) for example in examples])
        if self._fault == "company":
            length = length - length.mean()
        vectors = np.stack([length, length**2], 1).astype(np.float64 if self._fault == "wide" else np.float32)
        finite = np.ones(len(rows), bool)
        if self._fault == "sick":
            finite[0] = False
        if self._fault == "rows":
            rows = rows[::-1]
        columns = {"length": length[:, None] if self._fault == "shape" else length}
        return FeatureBlock(rows=rows, columns=columns, finite=finite, features=vectors)


def test_a_sound_feature_of_ones_own_passes() -> None:
    check_feature(Lengths(), sample_batch())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("facts", "do not survive JSON"),
        ("name", "no folder's"),
        ("rows", "rows out of order"),
        ("shape", "has shape"),
        ("wide", "not float32"),
        ("sick", "keeps its vector"),
        ("company", "differ alone"),
    ],
)
def test_a_feature_that_breaks_a_promise_is_refuted(fault: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_feature(Lengths(fault), sample_batch())


# ---- executors


class Lazy(LocalExecutor):
    """The local executor with one promise broken."""

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def run(self, missing, job, *rest, **more):
        parts = list(missing)
        if self._fault == "leaves one":
            return super().run(parts[:-1], job, *rest, **more)
        if self._fault == "twice":
            parts = [*parts, parts[-1]]
        if self._fault == "opens twice":
            job.open()
        return super().run(parts, job, *rest, **more)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("leaves one", "a part is missing"), ("twice", "computed were"), ("opens twice", "opened 2 times")],
)
def test_an_executor_that_breaks_a_promise_is_refuted(fault: str, words: str, tmp_path) -> None:
    with pytest.raises(AssertionError, match=words):
        check_executor(lambda folder: Lazy(fault), tmp_path)
