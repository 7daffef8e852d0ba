"""What training on other rows does to a row's loss: large for what can be learnt, near nought or below for noise.

Holdout loss as in RHO-LOSS (arXiv 2206.07137), cross-fitted: each half of the corpus is judged by an adapter that was
trained on the other half alone, so no row is judged by an adapter that has seen it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spice_select.data.records import Example
from spice_select.errors import InputError
from spice_select.features.base import Compute, FeatureRequest, single_answers
from spice_select.features.proxy import base_sums, batch_tokens, load_proxy
from spice_select.features.warm import is_warm, load_warm, save_warm
from spice_select.features.warmup import Warmup, train_warmup
from spice_select.gradients import build
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.lengths import refuse_long_rows
from spice_select.gradients.losses import token_losses
from spice_select.gradients.memory import within_memory
from spice_select.models.lora import adapter_weights
from spice_select.store import FeatureBlock

ROWS = 256
"""Rows of each half that its adapter is trained on, at most: 32 steps of eight."""
_REMEDY = "cut rows shorter with --max-length, or use a smaller proxy"


class Learnability:
    """Loss before and after a short training on the other half of the corpus, nats a supervised token.

    Cost: two trainings of `ROWS` rows (three forward passes each), kept beside the parts, and two forward passes of
    every row. Memory: the proxy, and three copies of its adapter. Both trainings begin with the proxy as it came: an
    adapter that the run was given, or its warm-up, is no part of it, which a note says of the former.
    """

    name = "learnability"
    summary = "loss before and after a short training on other rows, cross-fitted over two halves"

    def __init__(self, request: FeatureRequest) -> None:
        self._request = request

    @classmethod
    def of(cls, request: FeatureRequest) -> "Learnability":
        """As a run asks for it."""
        return cls(request)

    def facts(self) -> Mapping[str, Any]:
        """Those of the gradients, and how long the trainings are."""
        return {**self._request.facts, "learnability_rows": ROWS}

    def open(self) -> Compute:
        """Train the two adapters, or read them where they are kept.

        Raises:
            InputError: fewer than two rows; as `train_warmup`.
        """
        halves = halved([example.row for example in self._request.examples], self._request.proxy.seed)
        if not all(halves):
            raise InputError(f"learnability of {len(self._request.examples)} rows: each half needs one. Give two rows.")
        self._say_what_is_left_out()
        model: Any = load_proxy(self._request.proxy).model
        refuse_long_rows(model, self._request.examples)
        adapted: Any = self._trained(model, 0, halves[0])
        states = [_kept(adapted)]
        adapted = self._trained(adapted.unload(), 1, halves[1])
        states.append(_kept(adapted))
        judge = partial(_judged, adapted, states, halves[0])
        return lambda batch: judge(single_answers(batch, self.name))

    def _say_what_is_left_out(self) -> None:
        adapter = self._request.proxy.gradients.adapter
        if adapter is not None:
            self._request.progress.note(
                f"Learnability is that of the proxy itself, without {adapter}: an adapter may have been trained on the "
                "rows that are judged."
            )

    def _trained(self, model: nn.Module, number: int, half: set[int]) -> nn.Module:
        """The proxy with an adapter trained on one half; made by one training, whoever asks again."""
        request = self._request
        asked, seed = request.proxy.gradients, request.proxy.seed
        path = None if request.folder is None else request.folder / f"half-{number}.safetensors"
        if path is not None and is_warm(path, origin=request.origin):
            return load_warm(path, model, moments=False).model
        device, spec = next(model.parameters()).device.type, build.lora_spec(asked)
        how = Warmup(rows=ROWS, batch_tokens=batch_tokens(asked, device), seed=seed)
        rows = [example for example in single_answers(request.examples, self.name) if example.row in half]
        total = min(ROWS, len(rows))
        with request.progress.task(f"Training on half {number + 1} of 2", total, "rows") as advance:
            warm = train_warmup(model, rows, spec, how, advance=advance)
        if path is not None and warm.state is not None:
            save_warm(path, warm.model, warm.state, spec, base=base_sums(request.proxy), origin=request.origin)
        return warm.model


def halved(rows: Sequence[int], seed: int) -> tuple[set[int], set[int]]:
    """The rows in two halves drawn by a seed; the first is the larger where their number is odd."""
    drawn = np.random.default_rng([seed, 2]).permutation(np.array(rows, np.int64)).tolist()
    middle = (len(drawn) + 1) // 2
    return set(drawn[:middle]), set(drawn[middle:])


def _kept(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in adapter_weights(model).items()}


def _put(model: nn.Module, state: Mapping[str, Tensor] | None) -> None:
    """Give the adapter some weights; None takes it out of the model: B = 0."""
    with torch.no_grad():
        for name, weight in adapter_weights(model).items():
            if state is not None:
                weight.copy_(state[name])
            elif name.endswith(".lora_B"):
                weight.zero_()


def _judged(
    model: nn.Module, states: Sequence[Mapping[str, Tensor]], first: set[int], batch: Sequence[Example]
) -> FeatureBlock:
    """The batch under no adapter, and each of its rows under the adapter of the half that it is not in."""
    cold, warm = _losses(model, None, batch), np.empty(len(batch))
    for number, state in enumerate(states):
        own = [place for place, example in enumerate(batch) if (example.row in first) == (number == 1)]
        if own:
            warm[own] = _losses(model, state, [batch[place] for place in own])
    return FeatureBlock(
        rows=np.array([example.row for example in batch], np.int64),
        columns={
            "loss": cold,
            "warm": warm,
            "tokens": np.array([example.num_tokens for example in batch], np.int64),
            "supervised": np.array([example.num_supervised for example in batch], np.int64),
        },
        finite=np.isfinite(cold) & np.isfinite(warm),
    )


def _losses(model: nn.Module, state: Mapping[str, Tensor] | None, batch: Sequence[Example]) -> NDArray[np.float64]:
    """Mean cross-entropy of each row's supervised tokens under an adapter, float64 ``[b]``."""
    _put(model, state)
    return np.concatenate(within_memory(partial(_mean_losses, model), batch, remedy=_REMEDY))


def _mean_losses(model: nn.Module, examples: Sequence[Example]) -> NDArray[np.float64]:
    batch = PaddedBatch.of(examples, next(model.parameters()).device)
    with torch.no_grad(), supervised_positions(model, batch):
        logits = model(input_ids=batch.input_ids, use_cache=False).logits.squeeze(0)
        losses = token_losses(logits, batch.targets).double()
    sums = torch.zeros(batch.size, dtype=torch.float64, device=losses.device)
    return (sums.index_add_(0, batch.rows, losses) / batch.counts).cpu().numpy()
