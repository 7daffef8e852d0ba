"""A small selection to train on, and what training left behind."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

import spice_select
from spice_select.progress import Advance
from spice_select.run.finished import Run
from tests.conftest import make_sums

QUICK: dict[str, Any] = {"batch_size": 2, "accumulation": 2, "learning_rate": 1e-3, "epochs": 2, "device": "cpu"}
"""Settings under which a dozen rows make a handful of steps."""
STEPS: dict[str, Any] = {name: value for name, value in QUICK.items() if name != "epochs"}
"""The same for trainings that say their steps themselves."""
BROKEN = {"messages": [{"role": "user", "content": "a question nobody answered"}]}


def small_run(folder: Path, proxy: Path, **settings: Any) -> Run:
    """Ten of forty rows chosen; a forty-first cannot be used."""
    corpus = folder / "train.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in [*make_sums(40), BROKEN]), encoding="utf-8")
    return spice_select.select(
        corpus, out=folder / "run", model=str(proxy), budget=10, sketch_dim=32, device="cpu", **settings
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of an adapter or model."""
    from safetensors.torch import load_file

    (path,) = folder.glob("*.safetensors")
    return load_file(path)


class InterruptedRunError(Exception):
    """The machine went away."""


class StopsAfter:
    """A progress display that ends the work after so many optimiser steps."""

    def __init__(self, steps: int, before: Callable[[], None] = lambda: None) -> None:
        self.left, self.before = steps, before

    @contextlib.contextmanager
    def task(self, name: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        def advance(amount: int) -> None:
            if unit == "steps":
                self.left -= amount
                if self.left < 0:
                    self.before()
                    raise InterruptedRunError

        yield advance

    def note(self, sentence: str) -> None:
        return


class Notes(StopsAfter):
    """A progress display that remembers what was said, and which tasks began with how much done."""

    def __init__(self) -> None:
        super().__init__(10**9)
        self.said: list[str] = []
        self.done: dict[str, int] = {}

    @contextlib.contextmanager
    def task(self, name: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        self.done[name] = done
        with super().task(name, total, unit, done=done) as advance:
            yield advance

    def note(self, sentence: str) -> None:
        self.said.append(sentence)
