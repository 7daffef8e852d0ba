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
from numpy.typing import NDArray
from torch import Tensor, nn

from spice_select.data.records import Sample
from spice_select.errors import InputError, SpiceError
from spice_select.gradients.base import Attached, BatchGradients, Capture, Dense, Factored, Parameters
from spice_select.gradients.batch import PaddedBatch
from spice_select.gradients.head import fewest_positions, supervised_positions
from spice_select.gradients.lengths import check_lengths
from spice_select.gradients.lift import RowLift, needs_lift
from spice_select.gradients.loop import only_leaves_trainable
from spice_select.gradients.losses import ResponseLoss, TokenMean, token_losses
from spice_select.gradients.pairs.base import PairGradient
from spice_select.gradients.pairs.signed import signed_weights
from spice_select.gradients.pairs.weights import AnswerSums
from spice_select.gradients.parameters.lora import LoraGradients
from spice_select.gradients.parameters.weights import factor_squares
from spice_select.gradients.preconditioner import Preconditioner
from spice_select.models.guard import refuse_acausal
from spice_select.models.layers import LinearLayer, conduct, output_head
from spice_select.models.positions import RowLimit, row_limit
from spice_select.models.probe import Conduct
from spice_select.sketch import ParameterBlock, Projection, Sketch, default_sketch
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
        pairs: how the tokens of pairs count, in place of `loss`.
    """

    def __init__(
        self,
        parameters: Parameters | None = None,
        sketch: Sketch | None = None,
        loss: ResponseLoss | None = None,
        preconditioner: Preconditioner | None = None,
        pairs: PairGradient | None = None,
    ) -> None:
        self.parameters: Parameters = parameters if parameters is not None else LoraGradients()
        self.sketch = sketch if sketch is not None else default_sketch()
        self.loss = loss if loss is not None else TokenMean()
        self.preconditioner = preconditioner
        self.pairs: PairGradient = pairs if pairs is not None else AnswerSums()
        self._plan: _Plan | None = None

    def features(self, model: nn.Module, examples: Sequence[Sample]) -> BatchGradients:
        """Sketched gradients of one batch; see `BatchGradients`.

        A row whose loss or gradient is not finite is computed again by itself, so that what is flagged in the end is
        sick on its own account and has not caught it from a neighbour in the batch.

        Raises:
            InputError: an example without a supervised token, a layer that is used in a way that hides which tokens
                belong to which row, or layers of which none has a part in the loss.
            SpiceError: the logits do not come from the output head alone.
        """
        batch = self._lifted(model, examples)
        if len(examples) == 1:
            return batch
        for row in np.flatnonzero(~batch.finite).tolist():
            alone = self._lifted(model, [examples[row]])
            batch.features[row], batch.losses[row], batch.norms[row] = (
                alone.features[0],
                alone.losses[0],
                alone.norms[0],
            )
            if batch.answers is not None and alone.answers is not None:
                batch.answers[row] = alone.answers[0]
        return batch

    def conditioned(self, model: nn.Module, preconditioner: Preconditioner | None) -> "HookEngine":
        """The same engine with another preconditioner; what is prepared for this model serves both."""
        other = HookEngine(self.parameters, self.sketch, self.loss, preconditioner, self.pairs)
        other._plan = self._planned(model)
        return other

    def sketching(self, sketch: Sketch) -> "HookEngine":
        """An engine for the same gradients under another sketch."""
        return HookEngine(self.parameters, sketch, self.loss, self.preconditioner, self.pairs)

    def dim(self, model: nn.Module) -> int:
        """Length of a feature vector for this model."""
        return self._planned(model).projection.dim

    def _lifted(self, model: nn.Module, examples: Sequence[Sample]) -> BatchGradients:
        """A batch; in float16 once more, without lift, for rows that are not finite with it."""
        found = self._run(model, examples)
        if not self._planned(model).lifted or found.finite.all():
            return found
        return self._run(model, examples, lifted=found.finite)

    def _run(
        self, model: nn.Module, examples: Sequence[Sample], *, lifted: NDArray[np.bool_] | None = None
    ) -> BatchGradients:
        plan = self._planned(model)
        check_lengths(examples, plan.limit)
        batch = PaddedBatch.of(examples, next(model.parameters()).device, plan.vocabulary)
        weights = self._token_weights(batch)
        lift = RowLift.of(weights, batch.owners, batch.size) if plan.lifted else None
        if lift is not None and lifted is not None:
            lift = lift.only(torch.from_numpy(lifted))
        sums = _Sums(batch, plan.projection, self.preconditioner, lift)
        with only_leaves_trainable(Attached(model, ())), ExitStack() as hooks:
            hooks.enter_context(supervised_positions(model, batch, fewest=plan.fewest))
            watches = [hooks.enter_context(_watched(capture, plan, batch, sums)) for capture in plan.captures]
            logits = _logits(model, batch)
            unweighted = token_losses(logits, batch.targets)
            per_token = unweighted * weights
            del logits
            if not per_token.requires_grad:
                raise InputError(
                    f"no layer that is watched ({_name(plan.captures[0])} …) has a part in the loss of "
                    f"{type(model).__name__}: every gradient would be zero. Take others (--lora-targets, --last-blocks)"
                )
            total = per_token if lift is None else per_token * lift.factors[batch.owners]
            torch.autograd.backward(total.sum())
            for watch in watches:
                watch.finish()
        losses = _summed(per_token, batch.owners, batch.size)
        return BatchGradients(
            features=sums.features.cpu().numpy(),
            losses=losses if batch.signs is None else np.abs(losses),
            norms=sums.squares.sqrt().cpu().numpy(),
            answers=None if batch.shared is None else -_summed(unweighted, batch.rows, 2 * batch.size).reshape(-1, 2),
        )

    def _token_weights(self, batch: PaddedBatch) -> Tensor:
        """What each token's loss counts, float32 ``[n]``."""
        if batch.shared is not None:
            return signed_weights(batch, self.pairs)
        weights = self.loss.token_weights(batch.counts)
        return (weights if batch.signs is None else weights * batch.signs)[batch.rows]

    def _planned(self, model: nn.Module) -> "_Plan":
        if self._plan is None or self._plan.model is not model:
            self._plan = _Plan.of(model, self.parameters, self.sketch)
        return self._plan


def _summed(per_token: Tensor, groups: Tensor, size: int) -> NDArray[np.float64]:
    """Sums of tokens by group, float64 ``[size]``."""
    sums = torch.zeros(size, dtype=torch.float64, device=per_token.device)
    return sums.index_add_(0, groups, per_token.detach().double()).cpu().numpy()


def _logits(model: nn.Module, batch: PaddedBatch) -> Tensor:
    """At the predicting positions, ``[n, vocabulary]``."""
    logits: Tensor = model(input_ids=batch.input_ids, use_cache=False).logits
    if logits.ndim != 3 or logits.shape[:2] != (1, len(batch.rows)):
        raise SpiceError(
            f"{type(model).__name__} returns logits of shape {tuple(logits.shape)} where (1, {len(batch.rows)}, "
            "vocabulary) is due: they do not come from its output head alone, so it cannot be a proxy"
        )
    return logits.squeeze(0)  # an index would copy them


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What an engine prepares once for a model."""

    model: nn.Module
    captures: tuple[Capture, ...]
    projection: Projection
    head: nn.Module
    conduct: Conduct
    vocabulary: int
    limit: RowLimit | None
    lifted: bool

    @property
    def fewest(self) -> int:
        """How many positions the head is given at least: where it is watched itself, those there are."""
        watched = any(self.head in capture.modules for capture in self.captures)
        return 0 if watched else fewest_positions(next(self.model.parameters()).device)

    @classmethod
    def of(cls, model: nn.Module, parameters: Parameters, sketch: Sketch) -> "_Plan":
        coverage = parameters.coverage(model)
        if coverage.uncaptured:
            shown = ", ".join(coverage.uncaptured[:4]) + (" …" if len(coverage.uncaptured) > 4 else "")
            warnings.warn(
                f"{len(coverage.uncaptured)} weight matrices of {type(model).__name__} cannot be captured, and their "
                f"gradients are left out of the features: {shown}"
            )
        seen = conduct(model)
        refuse_acausal(model, causal=seen.causal)
        if not coverage.blocks:
            raise InputError(
                f"{type(model).__name__} has no linear layer whose gradients can be captured: give --parameters "
                "last-layer, or another model"
            )
        captures = tuple(parameters.captures(model))
        head = output_head(model)
        return cls(
            model=model,
            captures=captures,
            projection=sketch.bind(coverage.blocks),
            head=head.module,
            conduct=seen,
            vocabulary=_vocabulary(model, head),
            limit=row_limit(model),
            lifted=needs_lift(model),
        )


def _vocabulary(model: nn.Module, head: LinearLayer) -> int:
    """Tokens that the model can both read and predict."""
    find = getattr(model, "get_input_embeddings", None)
    embedding = find() if callable(find) else None
    return min(head.d_out, embedding.num_embeddings) if isinstance(embedding, nn.Embedding) else head.d_out


class _Sums:
    """Features and squared norms, growing layer by layer."""

    def __init__(
        self,
        batch: PaddedBatch,
        projection: Projection,
        preconditioner: Preconditioner | None,
        lift: RowLift | None = None,
    ) -> None:
        device = batch.input_ids.device
        self.projection, self.preconditioner, self.lift = projection, preconditioner, lift
        self.features = torch.zeros(batch.size, projection.dim, device=device)
        self.squares = torch.zeros(batch.size, dtype=torch.float64, device=device)

    def add(self, gradient: Dense | Factored) -> None:
        if self.lift is not None:
            gradient = self.lift.undone(gradient)
        if isinstance(gradient, Dense):
            self._add_formed(slice(None), gradient.block, gradient.values)
        elif self.projection.takes_factors and self.preconditioner is None:
            self.projection.add_factors(self.features, gradient.block, gradient.left, gradient.right)
            self.squares += factor_squares(gradient.left, gradient.right)
        else:
            for rows, values in formed(gradient.block, gradient.left, gradient.right):
                self._add_formed(rows, gradient.block, values)

    def _add_formed(self, rows: slice, block: ParameterBlock, values: Tensor) -> None:
        if self.preconditioner is not None:
            values = self.preconditioner.apply(block, values)
        self.projection.add(self.features[rows], block, values)
        norms = torch.linalg.vector_norm(values.reshape(len(values), -1), dim=1)
        self.squares[rows] += norms.double().square()


class _Watch:
    """The gradients of one layer: sketched when the backward pass has reached all its calls.

    A layer that is called several times has Σ over the calls of δᵀa for a gradient: their tokens are strung together.
    """

    def __init__(self, capture: Capture, plan: _Plan, batch: PaddedBatch, sums: _Sums) -> None:
        self._capture, self._batch, self._sums = capture, batch, sums
        self._plan = plan
        self._kept: list[Tensor | None] = []
        self._received: list[tuple[Tensor, Tensor]] = []

    def on_forward(self, module: nn.Module, args: Any, kwargs: Any, output: Tensor) -> Tensor | None:
        """Keep what the gradients need of the input, and wait for the gradient at the output."""
        if not torch.is_grad_enabled():
            return None  # nothing flows back through what is computed here
        inputs = (args[0] if args else next(iter(kwargs.values()))).detach()
        with torch.no_grad():
            kept = self._capture.keep(inputs.clone() if module in self._plan.conduct.inputs_changed else inputs)
            self._kept.append(_by_row(self._capture, self._batch, kept))
        watched = self._source(module, output)
        call = len(self._kept) - 1
        watched.register_hook(lambda gradient: self._on_backward(call, gradient))  # type: ignore[no-untyped-call]
        return watched

    def _source(self, module: nn.Module, output: Tensor) -> Tensor:
        """The output as a tensor that requires a gradient and may be changed in place without losing its hook."""
        if output.requires_grad:
            return output.clone() if module in self._plan.conduct.outputs_changed else output
        # nothing below is watched: the backward pass ends here. Logits are too large for a copy, and left alone
        return output.requires_grad_() if module is self._plan.head else output + output.new_zeros(()).requires_grad_()

    def _on_backward(self, call: int, gradient: Tensor) -> None:
        with torch.no_grad():
            kept = self._kept[call]
            assert kept is not None  # a call has one output, and its gradient comes once
            self._kept[call] = None
            self._received.append((kept, _by_row(self._capture, self._batch, gradient)))
            if all(other is None for other in self._kept):
                self.finish()

    def finish(self) -> None:
        """Sketch what has come. Calls that had no part in the loss have no gradient."""
        if not self._received:
            return
        kept, gradients = zip(*self._received, strict=True)
        self._received = []
        several = len(kept) > 1
        with torch.no_grad():
            for part in self._capture.gradients(
                torch.cat(kept, dim=1) if several else kept[0], torch.cat(gradients, dim=1) if several else gradients[0]
            ):
                self._sums.add(part)


@contextmanager
def _watched(capture: Capture, plan: _Plan, batch: PaddedBatch, sums: _Sums) -> Iterator[_Watch]:
    watch = _Watch(capture, plan, batch, sums)
    with ExitStack() as hooks:
        for module in capture.modules:
            hooks.callback(module.register_forward_hook(watch.on_forward, with_kwargs=True).remove)
        yield watch


def _by_row(capture: Capture, batch: PaddedBatch, values: Tensor) -> Tensor:
    rows = batch.by_row(values)
    if rows is None:
        raise InputError(
            f"{_name(capture)} works on {tuple(values.shape)}, which hides which tokens belong to which row of the "
            "batch: name the layers to take without it, with --lora-targets"
        )
    return rows


def _name(capture: Capture) -> str:
    return capture.blocks[0].name.rsplit(".", 1)[0]


__all__ = ["HookEngine"]
