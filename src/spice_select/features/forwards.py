"""What features of forward passes share: the proxy as it was asked for, no gradient and no LoRA of our own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.data.records import Example
from spice_select.features.base import Compute, FeatureRequest, single_answers
from spice_select.features.proxy import opened
from spice_select.gradients.memory import within_memory
from spice_select.store import FeatureBlock

_REMEDY = "cut rows shorter with --max-length, or use a smaller proxy"


class ForwardFeature(ABC):
    """A feature that forward passes of the run's proxy tell. See `Feature`.

    The proxy is as it came, or with the adapter that was asked for or warmed up. A batch that does not fit in memory
    is halved.

    Args:
        request: which proxy, and the rows it must be able to read.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    def __init__(self, request: FeatureRequest) -> None:
        self.request = request

    @classmethod
    def of(cls, request: FeatureRequest) -> Self:
        """As a run asks for it."""
        return cls(request)

    def facts(self) -> Mapping[str, Any]:
        """Those of the run: corpus, proxy, adapter, seed, versions."""
        return self.request.facts

    def open(self) -> Compute:
        """Load the proxy and warm it up where that was asked, unless it has been done for other rows."""
        return self._opened

    @cached_property
    def _opened(self) -> Compute:
        asked = self.request
        warm = opened(
            asked.proxy,
            asked.model,
            asked.progress,
            examples=asked.examples,
            folder=asked.folder,
            origin=asked.origin,
        )
        measure = partial(self.measure, warm.model.eval())
        return lambda batch: FeatureBlock.concatenate(
            within_memory(measure, single_answers(batch, self.name), remedy=_REMEDY)
        )

    @abstractmethod
    def measure(self, model: nn.Module, batch: Sequence[Example]) -> FeatureBlock:
        """The features of one batch that fits in memory; a model in evaluation mode."""


def block_of(
    batch: Sequence[Example],
    columns: Mapping[str, NDArray[np.float64]],
    vectors: NDArray[np.float32] | None = None,
) -> FeatureBlock:
    """Numbers of a batch with what belongs to each row; finite where all are, and no vector where one is not."""
    finite = np.ones(len(batch), bool)
    for values in columns.values():
        finite &= np.isfinite(values)
    if vectors is not None:
        finite &= np.isfinite(vectors).all(axis=1)
    kept: dict[str, Any] = {} if vectors is None else {"features": np.where(finite[:, None], vectors, np.float32(0))}
    return FeatureBlock(
        rows=np.array([example.row for example in batch], np.int64),
        columns={
            **columns,
            "tokens": np.array([example.num_tokens for example in batch], np.int64),
            "supervised": np.array([example.num_supervised for example in batch], np.int64),
        },
        finite=finite,
        **kept,
    )
