"""Per-sample gradients of the proxy, sketched: the feature that most methods choose by."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import PairExample, Sample
from spice_select.features.base import Compute, FeatureRequest
from spice_select.features.proxy import ProxyEngine
from spice_select.features.referenced import Referenced
from spice_select.gradients.base import BatchGradients
from spice_select.store import FeatureBlock


class Gradients:
    """The gradients of a run's proxy. See `Feature`.

    Where they are taken at several checkpoints of a warm-up, a row's vector holds those of each side by side (see
    `FeatureBlock.weights`); loss and norm are those at the last.

    Args:
        engine: the proxy's engine; its weights are loaded when the first gradient is asked for.
        facts: what decides the numbers.
        asked: rows beside those of the engine's corpus that they are computed of.
        plain: whether they are left as they are where the settings ask for a preconditioner.
    """

    name: ClassVar[str] = "gradients"
    summary: ClassVar[str] = "per-sample gradients of the response loss on the proxy, sketched, and its losses"

    def __init__(
        self, engine: ProxyEngine, facts: Mapping[str, Any], *, asked: Sequence[Sample] = (), plain: bool = False
    ) -> None:
        self.engine, self._facts = engine, facts
        self._asked, self._plain = asked, plain

    @classmethod
    def of(cls, request: FeatureRequest) -> "Gradients":
        """As a run asks for them."""
        engine = ProxyEngine(
            request.proxy,
            request.model,
            request.progress,
            examples=request.examples,
            folder=request.folder,
            origin=request.origin,
        )
        return cls(engine, request.facts)

    def beside(self, examples: Sequence[Sample]) -> "Gradients":
        """Those of other rows, a target's for one, on the same loaded and warmed proxy."""
        return Gradients(self.engine, self._facts, asked=examples, plain=self._plain)

    def plain(self) -> "Gradients":
        """Those without a preconditioner, on the same loaded and warmed proxy: what LESS takes of target rows."""
        return Gradients(self.engine, self._facts, asked=self._asked, plain=True)

    def facts(self) -> Mapping[str, Any]:
        """Corpus, proxy, adapter, gradient settings, seed, versions; what each of several checkpoints weighs."""
        weights = self.engine.weights
        return {
            **self._facts,
            **({"precondition": "none"} if self._plain else {}),
            **({"checkpoint_weights": list(weights)} if len(weights) > 1 else {}),
        }

    def open(self) -> Compute:
        """Load the proxy and warm it up where that was asked, unless it has been done for another feature of it.

        Raises:
            InputError: as `Feature.open`; rows that the model cannot read.
        """
        gradients = self.engine.gradients(self._asked, plain=self._plain)
        weights, referenced = self.engine.weights, self.engine.referenced
        return lambda batch: as_block(batch, gradients(batch), weights, referenced(batch))


def as_block(
    batch: Sequence[Sample],
    gradients: BatchGradients,
    weights: tuple[float, ...] = (1.0,),
    referenced: "Referenced | None" = None,
) -> FeatureBlock:
    """A batch's gradients with what belongs to each row; vectors that are not finite become zero.

    Args:
        batch: the rows.
        gradients: theirs.
        weights: those of the checkpoints that they were taken at.
        referenced: of pairs on a proxy that was trained, what they are held against.
    """
    return FeatureBlock(
        rows=np.array([example.row for example in batch], np.int64),
        columns={
            **_told(batch, gradients),
            **({} if referenced is None else referenced.columns(gradients.losses)),
            "norm": gradients.norms,
            "tokens": np.array([example.num_tokens for example in batch], np.int64),
            "supervised": np.array([example.num_supervised for example in batch], np.int64),
        },
        finite=gradients.finite,
        features=np.where(gradients.finite[:, None], gradients.features, np.float32(0)),
        weights=weights,
    )


def _told(batch: Sequence[Sample], gradients: BatchGradients) -> dict[str, NDArray]:
    """What the forward pass says of each row: its loss, or of a pair what it makes of both answers.

    DPO's loss at its reference is log 2 for every pair. ``margin_mean`` is the difference of the mean log-probabilities
    of a token (nats): above 0 where the model likes the chosen answer better.
    """
    if gradients.answers is None:
        return {"loss": gradients.losses}
    pairs = [row for row in batch if isinstance(row, PairExample)]
    counts = np.array([[side.num_supervised for side in pair.sequences] for pair in pairs], np.int64)
    means = gradients.answers / counts
    return {
        "logp_chosen": gradients.answers[:, 0],
        "logp_rejected": gradients.answers[:, 1],
        "chosen_tokens": counts[:, 0],
        "rejected_tokens": counts[:, 1],
        "margin_mean": means[:, 0] - means[:, 1],
    }
