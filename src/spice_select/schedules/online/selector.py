"""Selection inside someone else's training: a dataset that picks its rows at the model's current weights.

`OnlineSelector.dataset` goes to a `transformers.Trainer` or TRL `SFTTrainer` as its training data and
`OnlineSelector.callback()` among its callbacks; nothing else of the trainer is touched. Pools come from one seeded
permutation for each epoch. When the trainer asks for the first row of a pool, the gradients of its rows are taken on
the model as it is then, some are picked, and only these are handed over.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spice_select.data.batches import default_token_budget, plan_batches
from spice_select.data.encoding.mask import labels_of
from spice_select.data.records import Example, PairExample, Sample
from spice_select.errors import InputError
from spice_select.features.gradients import as_block
from spice_select.gradients import BatchGradients, Engine, HookEngine
from spice_select.gradients.memory import features_within_memory
from spice_select.methods import Candidates, Method
from spice_select.methods.base import GRADIENTS
from spice_select.methods.budget import Allowance
from spice_select.methods.spice import Spice
from spice_select.progress import Silent
from spice_select.schedules.interleaved.plan import Plan, PlannedPool, plan_pools

if TYPE_CHECKING:
    from datasets import IterableDataset

    from spice_select.schedules.online.callback import OnlineCallback

_PREVIEW = 5
"""Rows shown before training begins: trainers look at one or a few to find the columns."""


@dataclass(frozen=True, kw_only=True)
class PoolRecord:
    """What happened in one pool.

    Attributes:
        pool: its number, through all epochs.
        step: optimiser steps that the trainer had made when it was picked; -1 where it was read from a checkpoint.
        picks: positions of the picked examples, in the order picked.
    """

    pool: int
    step: int
    picks: tuple[int, ...]


class OnlineSelector:
    """Picks from pools at the weights that a trainer's model has at that moment.

    Args:
        examples: the corpus, encoded (`spice_select.data.encoding`); all of one pass are seen, few are trained on.
        picks: rows to train on in one pass over the corpus, spread evenly over its pools.
        method: who chooses in each pool; by default greedy log det with conflict penalty 0.1, from an empty state.
            On resuming, pools that were picked before are not picked again, so a method must carry no state. None
            that chooses for a target: there is none here.
        pool_size: rows m in a pool.
        epochs: passes over the corpus; each has a permutation of its own.
        seed: of the permutations.
        engine: takes the gradients; by default `HookEngine()`: of the adapter itself where the model is a PEFT model,
            of a LoRA at initialisation that is put nowhere where it is not.
        normalise: ``none`` or ``unit``: gradients as they are, or all of length one.
        batch_tokens: tokens in a batch of gradients, padding included; by default 2048 on a CPU, 16384 on a GPU.

    Raises:
        InputError: no examples, more picks than examples, or fewer picks than pools; preference pairs, or answers
            marked good or bad, which are not learnt as they stand; a method that needs a target, what gradients do not
            say, or to know of all rows before.

    Cost: a forward and a backward pass over every row of the corpus in each epoch, beside the trainer's own; memory of
    one batch's activations and of one pool's features.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        picks: int,
        method: Method | None = None,
        pool_size: int = 120,
        epochs: int = 1,
        seed: int = 0,
        engine: Engine | None = None,
        normalise: str = "unit",
        batch_tokens: int | None = None,
    ) -> None:
        _refuse_kinds(examples)
        _refuse_sizes(pool_size=pool_size, epochs=epochs, normalise=normalise)
        if not 1 <= picks <= len(examples):
            raise InputError(f"picks={picks} of {len(examples)} examples: give a number from 1 to that.")
        self.examples = examples
        self.method: Method = method if method is not None else Spice(weight=0.1)
        if self.method.requires_target:
            raise InputError(
                f"method {self.method.name}: it chooses for a target, and online selection has none. Give another, or "
                "choose beforehand with `spice select --target`."
            )
        if self.method.in_loop:
            raise InputError(
                f"method {self.method.name}: it must know of all rows before the training begins, which online "
                "selection does not. Give another, or choose with `spice select --schedule interleaved`."
            )
        others = [name for name in self.method.needs() if name != GRADIENTS]
        if others:
            raise InputError(
                f"method {self.method.name}: it needs {' and '.join(others)}, and online selection takes gradients "
                "alone. Give another, or choose beforehand with `spice select`."
            )
        self.plan: Plan = plan_pools(
            [example.num_tokens for example in examples],
            Allowance(rows=picks),
            pool_size=pool_size,
            update_every=1,
            epochs=epochs,
            seed=seed,
            step_rows=None,
        )
        self.records: list[PoolRecord] = []
        self.exhausted = False
        self._engine = engine if engine is not None else HookEngine()
        self._normalise, self._batch_tokens, self._seed = normalise, batch_tokens, seed
        self._known: Mapping[int, Sequence[int]] = {}
        self._model: nn.Module | None = None
        self._trainer_state: Any = None

    def steps(self, *, batch_size: int, accumulation: int = 1) -> int:
        """Optimiser steps that the picks of all epochs are enough for: what to give the trainer as `max_steps`.

        With a method that stops early it is an upper limit, and training ends when the pools do. Micro-batches beyond
        the last whole step are not trained on.

        Raises:
            InputError: not enough for one step.
        """
        rows = sum(pool.share for pool in self.plan.pools)
        steps = -(-rows // batch_size) // accumulation
        if steps == 0:
            raise InputError(
                f"{rows} picks are less than one step of {accumulation} × {batch_size} rows: lower accumulation or "
                "batch_size, or raise picks or epochs."
            )
        return steps

    @cached_property
    def ground(self) -> str:
        """SHA-256 (hex) over what picks are picks of: the examples' tokens, the pools, the method's name."""
        digest = hashlib.sha256(f"{self.method.name} {self._normalise}".encode())
        for example in self.examples:
            digest.update(example.input_ids.tobytes() + example.supervised.tobytes() + b"\0")
        for pool in self.plan.pools:
            digest.update(pool.positions.tobytes() + f" {pool.share} ".encode())
        return digest.hexdigest()

    @cached_property
    def dataset(self) -> "IterableDataset":
        """The trainer's `train_dataset`: rows with `input_ids` and `labels` (-100 where nothing is trained on)."""
        from datasets import IterableDataset

        return IterableDataset.from_generator(_Rows(self))

    def callback(self) -> "OnlineCallback":
        """The callback that hands the trainer's model over; goes into the trainer's `callbacks`."""
        from spice_select.schedules.online.callback import OnlineCallback

        return OnlineCallback(self)

    def begin(self, model: nn.Module, state: Any, known: Mapping[int, Sequence[int]]) -> None:
        """Start a training: called by the callback, with the picks of the pools that a checkpoint knows."""
        self._model, self._trainer_state, self._known = model, state, known
        self.records, self.exhausted = [], False

    def end(self) -> None:
        """Let go of the model: called by the callback."""
        self._model = self._trainer_state = None

    def rows(self) -> Iterator[dict[str, list[int]]]:
        """The picked rows of all pools in order; gradients are taken when the first row of a pool is asked for."""
        if self._model is None:
            yield from self._preview()
            return
        for pool in self.plan.pools:
            record = self._record(self._model, pool)
            self.records.append(record)
            yield from (_row(self.examples[position]) for position in record.picks)
        self.exhausted = True

    def _preview(self) -> Iterator[dict[str, list[int]]]:
        for position in self.plan.pools[0].positions[:_PREVIEW]:
            yield _row(self.examples[int(position)])
        if len(self.examples) > _PREVIEW:
            raise InputError(
                "the online selector was given no model: put `selector.callback()` into the trainer's callbacks, and "
                "iterate only through the trainer."
            )

    def _record(self, model: nn.Module, pool: PlannedPool) -> PoolRecord:
        if torch.utils.data.get_worker_info() is not None:
            raise InputError(
                "online selection in a data loader's worker, which has no model: set dataloader_num_workers=0."
            )
        if pool.number in self._known:
            return PoolRecord(pool=pool.number, step=-1, picks=tuple(self._known[pool.number]))
        picks = self._picked(model, pool)
        return PoolRecord(pool=pool.number, step=int(self._trainer_state.global_step), picks=tuple(picks.tolist()))

    def _picked(self, model: nn.Module, pool: PlannedPool) -> NDArray[np.int64]:
        """Positions of the pool's picks, at the model's weights as they are."""
        examples = [self.examples[int(position)] for position in pool.positions]
        gradients = self._gradients(model, examples)
        sound = np.flatnonzero(gradients.finite)
        if len(sound) == 0:
            raise InputError(
                f"pool {pool.number}: no row has a finite loss and gradient, so the model is broken by now. Go back to "
                "an earlier checkpoint with a lower learning rate."
            )
        block = as_block(examples, gradients).take(sound)
        sources = [examples[int(position)].source for position in sound]
        candidates = Candidates.of_gradients(block, sources=sources, normalise=self._normalise)
        share, seed = Allowance(rows=min(pool.share, len(sound))), (self._seed, pool.number)
        chosen = self.method.choose(candidates, share, seed=seed, progress=Silent())
        return pool.positions[sound[chosen.indices]]

    def _gradients(self, model: nn.Module, examples: Sequence[Example]) -> BatchGradients:
        """The pool's gradients in the order of its rows."""
        budget = self._batch_tokens or default_token_budget(next(model.parameters()).device.type)
        batches = plan_batches([example.num_tokens for example in examples], token_budget=budget)
        parts = [features_within_memory(self._engine, model, [examples[i] for i in batch]) for batch in batches]
        back = np.argsort(np.concatenate([np.asarray(batch) for batch in batches]), kind="stable")
        return BatchGradients(
            features=np.concatenate([part.features for part in parts])[back],
            losses=np.concatenate([part.losses for part in parts])[back],
            norms=np.concatenate([part.norms for part in parts])[back],
        )


def _refuse_kinds(examples: Sequence[Sample]) -> None:
    """Rows that a trainer of answers would learn as what they are not."""
    for example in examples:
        if isinstance(example, PairExample):
            raise InputError(
                f"row {example.row} is a preference pair: online selection hands a trainer answers to learn. Choose "
                "pairs beforehand with `spice select`, or read the chosen answers alone (format chosen)."
            )
        if example.label is not None:
            raise InputError(
                f"row {example.row} is an answer marked {'good' if example.label else 'bad'}: online selection hands a "
                "trainer answers to learn, the bad ones too. Choose them beforehand with `spice select`, for KTO."
            )


def _refuse_sizes(*, pool_size: int, epochs: int, normalise: str) -> None:
    for name, value in (("pool_size", pool_size), ("epochs", epochs)):
        if value < 1:
            raise InputError(f"{name}={value}: give 1 or more.")
    if normalise not in ("none", "unit"):
        raise InputError(f"normalise={normalise!r}: give 'none' or 'unit'.")


class _Rows:
    """A generator as `datasets` takes it; it is hashed by pickling, which must not drag corpus and model along."""

    def __init__(self, selector: OnlineSelector) -> None:
        self._selector = selector

    def __call__(self) -> Iterator[dict[str, list[int]]]:
        yield from self._selector.rows()

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _row(example: Example) -> dict[str, list[int]]:
    return {"input_ids": example.input_ids.tolist(), "labels": labels_of(example).tolist()}
