"""The fast engine: every per-sample gradient of a batch from one forward and one backward pass.

A linear layer's gradient for sample i is Σ_t δ_t a_tᵀ over the sample's own tokens, so one backward pass of the
*summed* losses yields every sample's gradient at once. All weights are frozen, so autograd forms no weight gradient:
a third of an ordinary backward pass is never done. Only the outputs of the watched layers require gradients, so the
backward pass also ends at the lowest of them. The output head and the loss see the supervised positions alone. Each
layer's gradients are sketched as soon as they are known, so no batch × parameters matrix exists.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spice_select.data.records import Example
from spice_select.errors import SpiceError
from spice_select.gradients.base import Attached, BatchGradients, Capture, Dense, Factored, Parameters
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.head import supervised_positions
from spice_select.gradients.loop import only_leaves_trainable
from spice_select.gradients.lora import LoraGradients
from spice_select.gradients.loss import ResponseLoss, TokenMean, token_losses
from spice_select.gradients.preconditioner import Preconditioner
from spice_select.gradients.weights import factor_squares
from spice_select.sketch import Block, Projection, Sketch, SparseJL
from spice_select.sketch.base import formed


class HookEngine:
    """Sketched per-sample gradients of a padded batch, by hooks on the linear layers.

    Equal to `LoopEngine` up to rounding, whatever else is in the batch. Operators (sketch, adapter) are kept between
    calls, so use one engine for a whole corpus.

    Args:
        parameters: whose gradients.
        sketch: how they are shortened.
        loss: how token losses become a row's loss.
        preconditioner: what is done to each layer's gradients before the sketch; None for nothing. Norms are those of
            what is sketched.
    """

    def __init__(
        self,
        parameters: Parameters | None = None,
        sketch: Sketch | None = None,
        loss: ResponseLoss | None = None,
        preconditioner: Preconditioner | None = None,
    ) -> None:
        self.parameters: Parameters = parameters if parameters is not None else LoraGradients()
        self.sketch = sketch if sketch is not None else SparseJL(4096)
        self.loss = loss if loss is not None else TokenMean()
        self.preconditioner = preconditioner
        self._plan: _Plan | None = None

    def features(self, model: nn.Module, examples: Sequence[Example]) -> BatchGradients:
        """Sketched gradients of one batch; see `BatchGradients`.

        A row whose loss or gradient is not finite is computed again by itself, so that what is flagged in the end is
        sick on its own account and has not caught it from a neighbour in the batch.

        Raises:
            InputError: an example without a supervised token.
            SpiceError: a layer is used in a way that hides which tokens belong to which row.
        """
        batch = self._run(model, examples)
        if len(examples) == 1:
            return batch
        for row in np.flatnonzero(~batch.finite).tolist():
            alone = self._run(model, [examples[row]])
            batch.features[row], batch.losses[row], batch.norms[row] = (
                alone.features[0],
                alone.losses[0],
                alone.norms[0],
            )
        return batch

    def dim(self, model: nn.Module) -> int:
        """Length of a feature vector for this model."""
        return self._planned(model).projection.dim

    def _run(self, model: nn.Module, examples: Sequence[Example]) -> BatchGradients:
        plan = self._planned(model)
        batch = PaddedBatch.of(examples, next(model.parameters()).device)
        sums = _Sums(batch, plan.projection, self.preconditioner)
        with only_leaves_trainable(Attached(model, ())), ExitStack() as hooks:
            hooks.enter_context(supervised_positions(model, batch))
            for capture in plan.captures:
                hooks.enter_context(_watched(capture, batch, sums))
            logits = model(input_ids=batch.input_ids, use_cache=False).logits.squeeze(0)  # an index would copy them
            per_token = token_losses(logits, batch.targets) * self.loss.token_weights(batch.counts)[batch.rows]
            del logits
            if per_token.requires_grad:
                torch.autograd.backward(per_token.sum())
        losses = torch.zeros(batch.size, dtype=torch.float64, device=per_token.device)
        losses.index_add_(0, batch.rows, per_token.detach().double())
        return BatchGradients(
            features=sums.features.cpu().numpy(),
            losses=losses.cpu().numpy(),
            norms=sums.squares.sqrt().cpu().numpy(),
        )

    def _planned(self, model: nn.Module) -> "_Plan":
        if self._plan is None or self._plan.model is not model:
            self._plan = _Plan.of(model, self.parameters, self.sketch)
        return self._plan


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an engine prepares once for a model."""

    model: nn.Module
    captures: tuple[Capture, ...]
    projection: Projection

    @classmethod
    def of(cls, model: nn.Module, parameters: Parameters, sketch: Sketch) -> "_Plan":
        coverage = parameters.coverage(model)
        if coverage.uncaptured:
            shown = ", ".join(coverage.uncaptured[:4]) + (" …" if len(coverage.uncaptured) > 4 else "")
            warnings.warn(
                f"{len(coverage.uncaptured)} weight matrices of {type(model).__name__} are in no linear layer and "
                f"their gradients are left out of the features: {shown}"
            )
        captures = tuple(parameters.captures(model))
        return cls(model, captures, sketch.bind(coverage.blocks))


class _Sums:
    """Features and squared norms, growing layer by layer."""

    def __init__(self, batch: PaddedBatch, projection: Projection, preconditioner: Preconditioner | None) -> None:
        device = batch.input_ids.device
        self.projection, self.preconditioner = projection, preconditioner
        self.features = torch.zeros(batch.size, projection.dim, device=device)
        self.squares = torch.zeros(batch.size, dtype=torch.float64, device=device)

    def add(self, gradient: Dense | Factored) -> None:
        if isinstance(gradient, Dense):
            self._add_formed(slice(None), gradient.block, gradient.values)
        elif self.projection.takes_factors and self.preconditioner is None:
            self.projection.add_factors(self.features, gradient.block, gradient.left, gradient.right)
            self.squares += factor_squares(gradient.left, gradient.right)
        else:
            for rows, values in formed(gradient.block, gradient.left, gradient.right):
                self._add_formed(rows, gradient.block, values)

    def _add_formed(self, rows: slice, block: Block, values: Tensor) -> None:
        if self.preconditioner is not None:
            values = self.preconditioner.apply(block, values)
        self.projection.add(self.features[rows], block, values)
        norms = torch.linalg.vector_norm(values.reshape(len(values), -1), dim=1)
        self.squares[rows] += norms.double().square()


@contextmanager
def _watched(capture: Capture, batch: PaddedBatch, sums: _Sums) -> Iterator[None]:
    """Sketch the gradients of one layer when the backward pass reaches its output."""
    calls = 0

    def on_forward(module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise SpiceError(f"{_name(capture)} runs twice in one forward pass: use the loop engine for this model")
        inputs = args[0] if args else next(iter(kwargs.values()))
        with torch.no_grad():
            kept = _by_row(capture, batch, capture.keep(inputs.detach()))
        if not output.requires_grad:
            output.requires_grad_()  # nothing below is watched: the backward pass ends here

        def on_backward(gradient: Tensor) -> None:
            with torch.no_grad():
                for part in capture.gradients(kept, _by_row(capture, batch, gradient)):
                    sums.add(part)

        output.register_hook(on_backward)  # type: ignore[no-untyped-call]

    handle = capture.module.register_forward_hook(on_forward, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _by_row(capture: Capture, batch: PaddedBatch, values: Tensor) -> Tensor:
    rows = batch.by_row(values)
    if rows is None:
        raise SpiceError(
            f"{_name(capture)} works on {tuple(values.shape)}, which hides which tokens belong to which row of the "
            "batch: leave the layer out of the targets, or use the loop engine"
        )
    return rows


def _name(capture: Capture) -> str:
    return capture.blocks[0].name.rsplit(".", 1)[0]


__all__ = ["HookEngine"]
