"""Tunings of one model on many choices: the model is loaded once, LoRA and order are drawn by the seed of each.

    python -m benchmarks.evidence.tuning WORK        does what lies in WORK/jobs and is not done yet

Several such processes share the work: a job is claimed by a file. Every tuning makes the same number of optimiser
steps on the same number of epochs; a choice is a prefix of its order that holds the same number of supervised tokens.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.evidence.tail import Tail, TailTrainer

from spice_select.data.corpus import read_corpus
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.records import Example
from spice_select.data.settings import DataSettings
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.load import load_model, load_tokenizer
from spice_select.models.lora import LoraSpec, adapter_weights, attach_lora
from spice_select.schedules.interleaved.steps import StepRecipe
from spice_select.store import atomic

EPOCHS, STEPS_AN_EPOCH, RATE, RANK, BLOCKS = 2, 13, 3e-4, 16, 10


@dataclass(frozen=True, kw_only=True)
class Job:
    """One tuning.

    Attributes:
        bed: folder of the bed.
        arm: who chose.
        seed: of LoRA and order (and of the draw, where the arm draws).
        rows: positions in the pool that are trained on; none for the untuned model.
        facts: kept with the result: what the choice cost, how many of its rows are swapped.
        steps: optimiser steps in an epoch.
        tuning_seed: of LoRA and order, where it is another than that of the draw.
        rate: the highest learning rate.
        epochs: passes over its rows.
        budget: the share of the pool's supervised tokens that it has, in a bed where others have other shares.
    """

    bed: str
    arm: str
    seed: int
    rows: list[int]
    facts: dict[str, Any]
    steps: int = STEPS_AN_EPOCH
    tuning_seed: int | None = None
    rate: float = RATE
    epochs: int = EPOCHS
    budget: float | None = None

    @property
    def name(self) -> str:
        share = "" if self.budget is None else f"--{self.budget:g}"
        return f"{self.bed}--{self.arm}--{self.seed}{share}"


class Encodings:
    """Files of rows as the model sees them, each encoded once; every row of a bed is usable."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._known = tokenizer, dict[Path, list[Example]]()

    def examples(self, path: Path) -> list[Example]:
        """The rows of a file in their order; none of an empty one."""
        if not path.stat().st_size:
            return []
        if path not in self._known:
            rows = read_corpus(str(path), DataSettings()).rows
            encoded = encode_rows(rows, detect_format(rows, None), Encoder(self._tokenizer, max_length=1024))
            if len(encoded.examples) < len(rows):
                raise SystemExit(f"{path}: {len(rows) - len(encoded.examples)} rows cannot be used")
            self._known[path] = encoded.examples
        return self._known[path]


class Tuner:
    """A model whose last blocks are tuned again and again, each time from its own weights.

    The blocks below stand still, so what they make of a row is computed once and kept: a tuning costs a third.
    """

    def __init__(self, model: str | None, *, dtype: str, batch_tokens: int, device: str = "cpu") -> None:
        self.encodings = Encodings(load_tokenizer(model))
        loaded: Any = load_model(model, dtype=dtype, device=device).model
        self._judged_tokens, keep_tokens = (2048, 1) if device == "cpu" else (16384, 16384)
        if device == "cpu":  # rows of a hundred tokens: the fused kernel's backward is slower here
            loaded.set_attn_implementation("eager")
        spec = LoraSpec(rank=RANK, last_blocks=BLOCKS)
        self._layers, self._batch_tokens = spec.layers(loaded), batch_tokens
        adapted: Any = attach_lora(loaded, spec, {layer.name: initial_a(layer, RANK, 0) for layer in self._layers})
        adapted.to(device)
        self._weights = adapter_weights(adapted)
        adapted.requires_grad_(False)
        for weight in self._weights.values():
            weight.requires_grad_(True)
        self.tail = Tail(adapted, BLOCKS, keep_tokens=keep_tokens)

    def run(self, job: Job, beds: Path) -> dict[str, Any]:
        """Tune on the job's rows and judge on the bed's held-out rows."""
        bed = beds / job.bed
        pool = self.encodings.examples(bed / "pool.jsonl")
        started = time.perf_counter()
        seed = job.seed if job.tuning_seed is None else job.tuning_seed
        self._start_anew(seed)
        rows = np.array(job.rows, np.int64)
        if len(rows):
            self._train([pool[row] for row in rows], seed, job)
        trained = time.perf_counter() - started
        judged = [self._judged(path) for path in [bed / "held_out.jsonl", *sorted(bed.glob("gold-*.jsonl"))]]
        return {
            "bed": job.bed,
            "arm": job.arm,
            "seed": job.seed,
            "budget": job.budget,
            "selection": {
                "rows": job.rows,
                "supervised": sum(pool[row].num_supervised for row in rows),
                "tokens": sum(pool[row].num_tokens for row in rows),
                "bad": None,
                "seconds": 0.0,
                **job.facts,
            },
            "steps": job.epochs * job.steps if len(rows) else 0,
            "held": judged if len(judged) > 1 else judged[0],
            "training_seconds": trained,
        }

    def _judged(self, path: Path) -> dict[str, Any]:
        """The losses on a file of rows; of ``gold-TASK.jsonl`` they are those of a task's gold answers."""
        held = self.encodings.examples(path)
        return {
            "name": path.stem,
            "rows": [example.row for example in held],
            "sources": [example.source for example in held],
            "sums": self.tail.losses(held, batch_tokens=self._judged_tokens).tolist(),
            "tokens": [example.num_supervised for example in held],
            "task": path.stem.startswith("gold-"),
        }

    def _start_anew(self, seed: int) -> None:
        with torch.no_grad():
            for layer in self._layers:
                self._weights[f"{layer.name}.lora_A"].copy_(initial_a(layer, RANK, seed))
                self._weights[f"{layer.name}.lora_B"].zero_()

    def _train(self, examples: list[Example], seed: int, job: Job) -> None:
        recipe = StepRecipe(learning_rate=job.rate, warmup=0.0, decay="cosine", weight_decay=0.0, seed=seed)
        total = job.epochs * job.steps
        trainer = TailTrainer(self.tail, recipe, total_steps=total, batch_tokens=self._batch_tokens)
        order = np.random.default_rng([seed, 7])
        for _ in range(job.epochs):
            for part in np.array_split(order.permutation(len(examples)), job.steps):
                trainer.step([examples[place] for place in part])


def plan(work: Path, job: Job, priority: int) -> None:
    """Put a job where workers find it; small numbers are done first. A job that is there is replaced."""
    (work / "jobs").mkdir(parents=True, exist_ok=True)
    path = work / "jobs" / f"{priority:05d}--{job.name}.json"
    path.write_text(json.dumps(vars(job)))


def result_path(work: Path, job: Job) -> Path:
    return work / "results" / f"{job.name}.json"


def work_through(work: Path, tuner: Tuner, *, wait: bool) -> None:
    """Do the jobs that are there, the first first; with `wait` go on looking for more."""
    for folder in ("claims", "results", "jobs"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    while True:
        job = _claimed(work)
        if job is None:
            if not wait:
                return
            time.sleep(5)
            continue
        started = time.perf_counter()
        result = tuner.run(job, work / "beds")
        with atomic(result_path(work, job)) as aside:
            aside.write_text(json.dumps(result))
        held = result["held"]
        first = held[0] if isinstance(held, list) else held
        loss = sum(first["sums"]) / sum(first["tokens"])
        print(f"{job.name}: {loss:.4f} after {time.perf_counter() - started:.0f} s", flush=True)


def _claimed(work: Path) -> Job | None:
    for path in sorted((work / "jobs").glob("*.json")):
        job = Job(**json.loads(path.read_text()))
        if result_path(work, job).is_file():
            continue
        try:
            os.close(os.open(work / "claims" / job.name, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        return job
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", help="a model to tune; default: the embedded one")
    parser.add_argument("--dtype", default="bfloat16", help="of the frozen weights; the LoRA is float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-tokens", type=int, default=600)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wait", action="store_true", help="go on when the jobs are done: more may come")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tuner = Tuner(options.model, dtype=options.dtype, batch_tokens=options.batch_tokens, device=options.device)
    work_through(options.work, tuner, wait=options.wait)


if __name__ == "__main__":
    main()
