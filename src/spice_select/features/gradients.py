"""Per-sample gradients of the proxy, sketched: the feature that most methods choose by."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from spice_select.data.records import Example
from spice_select.features.base import Compute, FeatureRequest
from spice_select.features.proxy import ProxyEngine
from spice_select.gradients.base import BatchGradients
from spice_select.store import FeatureBlock


class Gradients:
    """The gradients of a run's proxy. See `Feature`.

    Args:
        engine: the proxy's engine; its weights are loaded when the first gradient is asked for.
        facts: what decides the numbers.
    """

    name: ClassVar[str] = "gradients"
    summary: ClassVar[str] = "per-sample gradients of the response loss on the proxy, sketched, and its losses"

    def __init__(self, engine: ProxyEngine, facts: Mapping[str, Any]) -> None:
        self.engine, self._facts = engine, facts

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

    def facts(self) -> Mapping[str, Any]:
        """Corpus, proxy, adapter, gradient settings, seed, versions."""
        return self._facts

    def open(self) -> Compute:
        """Load the proxy, warm it up where that was asked."""
        gradients = self.engine.gradients()
        return lambda batch: as_block(batch, gradients(batch))


def as_block(batch: Sequence[Example], gradients: BatchGradients) -> FeatureBlock:
    """A batch's gradients with what belongs to each row; vectors that are not finite become zero."""
    return FeatureBlock(
        rows=np.array([example.row for example in batch], np.int64),
        columns={
            "loss": gradients.losses,
            "norm": gradients.norms,
            "tokens": np.array([example.num_tokens for example in batch], np.int64),
            "supervised": np.array([example.num_supervised for example in batch], np.int64),
        },
        finite=gradients.finite,
        features=np.where(gradients.finite[:, None], gradients.features, np.float32(0)),
    )
