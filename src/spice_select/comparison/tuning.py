"""A model tuned on a choice and judged by the rows held out: one record of it, in the layout that is judged."""

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from spice_select.comparison.arms import UNTUNED, same_model
from spice_select.comparison.choosing import ArmChoice
from spice_select.comparison.costs import BACKWARD, FORWARD, Cost
from spice_select.comparison.grounds import Grounds, RowSet
from spice_select.comparison.hushed import Hushed
from spice_select.comparison.pair_judging import judged_pairs
from spice_select.comparison.records import ArmRun, arm_run_of
from spice_select.comparison.result import ArmFailure
from spice_select.comparison.settings import CompareSettings, seeds_of
from spice_select.comparison.statistics import control_seeds
from spice_select.data.batches import default_token_budget
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import PreferencePairs
from spice_select.data.formats.base import source_of
from spice_select.errors import DivergedError, InputError, SpiceError
from spice_select.evaluation.heldout import HeldOutRows
from spice_select.evaluation.loss import response_losses
from spice_select.evaluation.preference import PairLogProbs, pair_log_probs
from spice_select.evaluation.settings import EvaluateSettings, ModelSettings
from spice_select.evaluation.stage import run_evaluate
from spice_select.evaluation.subjects import EMBEDDED, find_subject, open_subject
from spice_select.models.embedded import embedded_model
from spice_select.models.settings import ProxySettings
from spice_select.models.size import count_weights
from spice_select.progress import Progress
from spice_select.settings.access import Opening
from spice_select.store import write_json
from spice_select.training.result import MODEL as TRAINED_MODEL
from spice_select.training.result import Trained
from spice_select.training.stage import run_train

FULL = "full"
"""All of the pool in an order of its own, for as many steps as the arms make."""
RECORDS, TRAINED, SCORES, REFERENCE = "records", "trained", "evaluations", "reference"


@dataclass(frozen=True, kw_only=True)
class Tuner:
    """Tunes and judges; what is on record is read back.

    Attributes:
        folder: of the comparison.
        grounds: what all arms share.
        settings: how long and on which model, alike for all.
        budget: share of the pool's supervised tokens (or rows) that each arm might take.
        costs: of each choice, by arm and seed.
        progress: shown how far it is.
        failed: told of a benchmark that failed on a model; what else was judged stands.
    """

    folder: Path
    grounds: Grounds
    settings: CompareSettings
    budget: float
    costs: Mapping[tuple[str, int], Cost]
    progress: Progress
    failed: Callable[[ArmFailure], None]

    def untuned(self) -> ArmRun:
        """The model as it came, judged."""
        path, name = self._path(UNTUNED, 0), untuned_name(self.settings)
        if not path.is_file():
            self._keep(path, UNTUNED, 0, name, selection=None, steps=0, training_seconds=0.0, flops=0.0, budget=None)
        self._score(path, name)
        return _read(path)

    def tuned(self, choice: ArmChoice, seed: int) -> ArmRun:
        """A model tuned on a choice, with a seed of the order and the LoRA."""
        label, path = choice.arm.label, self._path(choice.arm.place, seed)
        if not path.is_file():
            cost = self.costs[label, choice.seed]
            chosen = {"rows": choice.rows.tolist(), "tokens": int(self.grounds.tokens[choice.rows].sum())}
            self._train(path, label, choice, seed, on="selected", chosen=chosen, cost=cost)
        return self._finished(path)

    def full(self, choice: ArmChoice, seed: int) -> ArmRun:
        """A model tuned on the whole pool, shuffled, for as many steps; `choice` is any, whose pool it is."""
        path = self._path(FULL, seed)
        if not path.is_file():
            chosen = {"rows": list(range(len(self.grounds))), "tokens": int(self.grounds.tokens.sum())}
            free = Cost(features=(), seconds=0.0, flops=0.0, marginal_seconds=0.0, marginal_flops=0.0)
            self._train(path, FULL, choice, seed, on="full", chosen=chosen, cost=free)
        return self._finished(path)

    def scores(self) -> dict[str, dict[str, list[float]]]:
        """Benchmark → arm → its scores, one a seed, of all models on record."""
        found = dict[str, dict[str, list[float]]]()
        for path in sorted((self.folder / RECORDS).glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            for score in record["scores"]:
                found.setdefault(score["benchmark"], {}).setdefault(record["arm"], []).append(score["score"]["value"])
        return found

    def _train(
        self, path: Path, label: str, choice: ArmChoice, seed: int, *, on: str, chosen: dict[str, Any], cost: Cost
    ) -> None:
        self.progress.note(f"{label}, seed {seed}: tuning")
        settings, access = self.settings, self.settings.proxy
        asked = settings.tuning.of_training(
            access, seed=seed, steps=self.steps, max_length=settings.data.max_length
        ).model_copy(update={"on": on, "model": model_to_tune(settings, choice.run.settings.proxy)})
        place = self.folder / TRAINED / path.stem
        done = run_train(choice.run, asked, out=place, progress=Hushed(self.progress))
        chosen = {
            **chosen,
            "supervised": int(done.manifest["supervised_tokens_of_rows"]),
            "bad": None,
            "seconds": cost.seconds,
        }
        self._keep(
            path,
            label,
            seed,
            str(place),
            selection=chosen,
            steps=done.steps,
            training_seconds=done.seconds,
            flops=None if cost.flops is None else cost.flops + self._operations(done),
            budget=self.budget,
        )

    def _finished(self, path: Path) -> ArmRun:
        """The record of a tuning, once benchmarks have judged its model, which is of no use then."""
        place = self.folder / TRAINED / path.stem
        if self._score(path, str(place)) and not self.settings.tuning.keep_models:
            shutil.rmtree(place / TRAINED_MODEL, ignore_errors=True)
        return _read(path)

    def _keep(self, path: Path, label: str, seed: int, model: str, **facts: Any) -> None:
        """Judge a model by the rows held out and write its record, whole or not at all."""
        bed, held = Path(self.grounds.name).name.split(".")[0], self._judged(label, seed, model)
        due = list(self.settings.benchmarks.tasks)
        write_json(path, {"bed": bed, "arm": label, "seed": seed, **facts, "held": held, "scores": [], "unscored": due})

    def _score(self, path: Path, model: str) -> bool:
        """Let benchmarks judge a model, those that have not; what fails is told, and tried again when this resumes.

        Returns:
            Whether none is left to do.
        """
        record = json.loads(path.read_text(encoding="utf-8"))
        if not record.get("unscored"):
            return True
        arm = {"arm": record["arm"], "seed": record["seed"]}
        try:
            asked = evaluation_of(self.settings)
            found = run_evaluate([model], asked, out=self.folder / SCORES, progress=self.progress)
        except SpiceError as error:  # none of them could be run
            self.failed(ArmFailure.of(error, **arm, what=", ".join(record["unscored"])))
            return False
        record["scores"] = found.to_json()["models"][0]["tasks"]
        record["unscored"] = [one.what for one in found.failures]
        write_json(path, record)
        for one in found.failures:
            self.failed(ArmFailure(**arm, what=one.what, cause=one.cause, mendable=one.mendable, trace=one.trace))
        return not found.failures

    def _judged(self, label: str, seed: int, model: str) -> list[dict[str, Any]]:
        """The loss of every row of every set, summed over its supervised tokens.

        Raises:
            DivergedError: one is not a finite number.
        """
        access, revision = evaluation_of(self.settings).models, None if label != UNTUNED else self._asked.model_revision
        opened = open_subject(find_subject(model, access, revision=revision), access)
        encoder = Encoder(opened.tokenizer, max_length=self.settings.data.max_length)
        tokens = self.settings.gradients.batch_tokens or default_token_budget(self.grounds.proxy.device)
        held = list[dict[str, Any]]()
        for name, rows in self.grounds.judges.items():
            if isinstance(rows.format, PreferencePairs):
                held += self._judged_by_pairs(label, seed, name, rows, opened.model, encoder, tokens)
                continue
            examples = encode_rows(rows.rows, rows.format, encoder).examples
            sums = response_losses(opened.model, examples, batch_tokens=tokens, progress=self.progress)
            if not np.isfinite(sums).all():
                raise DivergedError(_diverged(label, seed, int((~np.isfinite(sums)).sum()), name))
            held.append(
                {
                    "name": name,
                    "rows": [example.row for example in examples],
                    "sources": [example.source for example in examples],
                    "sums": sums.tolist(),
                    "tokens": [example.num_supervised for example in examples],
                    "task": rows.gold,
                }
            )
        return held

    def _judged_by_pairs(
        self, label: str, seed: int, name: str, rows: RowSet, model: nn.Module, encoder: Encoder, tokens: int
    ) -> list[dict[str, Any]]:
        """What a set of pairs says, beside what it says of the untuned model, which is judged first and kept."""
        held = HeldOutRows(name, list(rows.rows), rows.format, 0)
        found = pair_log_probs(model, held, encoder, batch_tokens=tokens, tokenizer="", progress=self.progress)
        if lost := found.dropped.get("non-finite", 0):
            raise DivergedError(_diverged(label, seed, lost, name))
        kept = self.folder / REFERENCE / f"{name}.json"
        if label == UNTUNED:
            write_json(kept, found.to_json())
        elif not kept.is_file():
            raise InputError(f"{kept}: the untuned model was not judged, and pairs are judged beside it.")
        first = PairLogProbs.from_json(json.loads(kept.read_text(encoding="utf-8")))
        sources = {row.number: source_of(row.raw) for row in rows.rows}
        return judged_pairs(name, found, first, [sources[int(row)] for row in found.rows], gold=rows.gold)

    @cached_property
    def steps(self) -> int:
        """Optimiser steps of every tuning."""
        return self.settings.tuning.steps(max(1, math.ceil(self.budget * len(self.grounds))))

    @property
    def _asked(self) -> ProxySettings:
        """How the model to tune is opened: a revision is the proxy's."""
        asked = self.settings.proxy
        return asked if self.settings.tuning.train_model is None else asked.model_copy(update={"model_revision": None})

    @cached_property
    def _weights(self) -> int:
        return count_weights(self.settings.tuning.train_model or self.settings.proxy.model, self._asked)

    def _operations(self, done: Trained) -> float:
        once = FORWARD + BACKWARD["full" if self.settings.tuning.train_full else "lora"]
        return self._weights * once * done.tokens

    def _path(self, place: str, seed: int) -> Path:
        return self.folder / RECORDS / f"{place}--{seed}.json"


def untuned_name(settings: CompareSettings) -> str:
    """How the model that is tuned is called before it is."""
    return settings.tuning.train_model or settings.proxy.model or EMBEDDED


def evaluation_of(settings: CompareSettings) -> EvaluateSettings:
    """How models are opened to be judged, and by which benchmarks."""
    opening = {name: getattr(settings.proxy, name) for name in Opening.model_fields}
    return EvaluateSettings(models=ModelSettings(**opening), benchmarks=settings.benchmarks)


def _diverged(label: str, seed: int, rows: int, name: str) -> str:
    return (
        f"{label}, seed {seed}: the loss is not a finite number on {rows} rows of {name}: its tuning went wrong. Lower "
        "--train-rate for all, in another --out."
    )


def places_on_record(folder: Path) -> list[str]:
    """The places of the arms that have a record in a comparison's folder."""
    return [path.stem.rpartition("--")[0] for path in sorted((folder / RECORDS).glob("*.json"))]


def _read(path: Path) -> ArmRun:
    return arm_run_of(json.loads(path.read_text(encoding="utf-8")))


def model_to_tune(settings: CompareSettings, chooser: ProxySettings) -> str | None:
    """The one that is tuned on what `chooser` chose; None for that itself. An arm's own proxy chooses, and no more."""
    if settings.tuning.train_model is not None or same_model(chooser, settings.proxy):
        return settings.tuning.train_model
    return settings.proxy.model or str(embedded_model())


def seeds_of_control(settings: CompareSettings, rivals: int) -> tuple[int, ...]:
    """Seeds of the control: those of all, and further ones where so many rivals lean on it."""
    seeds = seeds_of(settings.arms.seeds)
    wanted = settings.arms.control_seeds or control_seeds(len(seeds), max(1, rivals))
    return (*seeds, *range(max(seeds) + 1, max(seeds) + 1 + max(0, wanted - len(seeds))))
