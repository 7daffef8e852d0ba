"""DPO of the proxy's last blocks on chosen pairs, and what it then makes of held-out pairs.

The loss is that of `spice train` on pairs, −log σ(βΔ) with the untuned model as reference, whose log-probabilities are
computed once and kept; the blocks below the tuned ones stand still, so what they make of an answer is kept as well
(`benchmarks.evidence.tail`). A tuning so costs a third of one by `spice train`.
"""

import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import torch
from benchmarks.evidence.tail import Tail, TailTrainer
from benchmarks.evidence.tuning import Tuner
from torch.nn import functional

from spice_select.data.records import Example, PairExample
from spice_select.gradients.pairs.dpo import DpoReference
from spice_select.gradients.pairs.weights import AnswerSums
from spice_select.schedules.interleaved.steps import StepRecipe

BETA = 0.1


@dataclass(frozen=True)
class PairJob:
    """One tuning.

    Attributes:
        arm: who chose.
        seed: of LoRA and order, and of the draw where the arm draws.
        rows: positions in the pool; none for the untuned model.
    """

    arm: str
    seed: int
    rows: list[int]
    _: KW_ONLY
    epochs: int
    steps: int
    rate: float

    @property
    def name(self) -> str:
        return f"{self.arm}--{self.seed}".replace(" ", "-")


class KeptReference(DpoReference):
    """A `DpoReference` of answers' sums that asks the untuned model once.

    Args:
        tail: its weights are those of the reference now.
        pairs: all that will be asked for; both sides of one have hashes of their own (`told_apart`).
        batch_tokens: tokens in a batch.
    """

    __slots__ = ("_kept", "_tail")

    def __init__(self, tail: Tail, pairs: Sequence[PairExample], *, batch_tokens: int) -> None:
        super().__init__(AnswerSums(), beta=BETA)
        sides = [side for pair in pairs for side in pair.sequences]
        sums = tail.losses(sides, batch_tokens=batch_tokens)
        kept = {side.content_hash: -value for side, value in zip(sides, sums.tolist(), strict=True)}
        assert len(kept) == len(sides), "two answers of one hash"
        object.__setattr__(self, "_tail", tail)
        object.__setattr__(self, "_kept", kept)

    def losses(self, model: torch.nn.Module, pairs: Sequence[PairExample]) -> torch.Tensor:
        """−log σ(βΔ) of each pair."""
        sides: list[Example] = [side for pair in pairs for side in pair.sequences]
        found, batch = self._tail.token_losses(sides)
        log_probs = -found.new_zeros(batch.size).index_add(0, batch.rows, found)
        gains = log_probs - found.new_tensor([self._kept[side.content_hash] for side in sides])
        return functional.softplus(-self.beta * (gains[0::2] - gains[1::2]))


class PairTrainer(TailTrainer):
    """Optimiser steps that minimise the mean DPO loss of their pairs. See `KeptReference`, and `ProxyTrainer`."""

    def __init__(
        self, tail: Tail, pairs: Sequence[PairExample], recipe: StepRecipe, *, total_steps: int, batch_tokens: int
    ) -> None:
        super().__init__(tail, recipe, total_steps=total_steps, batch_tokens=batch_tokens)
        self.reference = KeptReference(tail, pairs, batch_tokens=batch_tokens)


class PairTuner(Tuner):
    """The model of `benchmarks.evidence.tuning`, tuned on pairs."""

    def prefer(self, job: PairJob, pool: Sequence[PairExample], held: Sequence[PairExample]) -> dict[str, Any]:
        """Tune on the job's pairs; log-probabilities of both held-out answers (nats), ``[n, 2]``, and what it took."""
        self._start_anew(job.seed)
        started, chosen = time.perf_counter(), [pool[row] for row in job.rows]
        losses = self._dpo(chosen, job) if chosen else []
        trained = time.perf_counter() - started
        sums = self.tail.losses([side for pair in held for side in pair.sequences], batch_tokens=self._judged_tokens)
        return {
            **vars(job),
            "supervised": sum(pair.num_supervised for pair in chosen),
            "tokens": sum(pair.num_tokens for pair in chosen),
            "losses": losses,
            "seconds": trained,
            "log_probs": (-sums).reshape(-1, 2).tolist(),
        }

    def _dpo(self, chosen: Sequence[PairExample], job: PairJob) -> list[float]:
        """The loss before each step."""
        recipe = StepRecipe(learning_rate=job.rate, warmup=0.0, decay="cosine", weight_decay=0.0, seed=job.seed)
        total = job.epochs * job.steps
        trainer = PairTrainer(self.tail, chosen, recipe, total_steps=total, batch_tokens=self._batch_tokens)
        order, losses = np.random.default_rng([job.seed, 7]), []
        for _ in range(job.epochs):
            for part in np.array_split(order.permutation(len(chosen)), job.steps):
                losses.append(trainer.step([chosen[place] for place in part]).loss)
        return losses
