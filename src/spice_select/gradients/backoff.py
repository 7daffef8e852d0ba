"""Gradients of a batch that need not fit in memory as a whole."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from spice_select.data.records import Example
from spice_select.gradients.base import BatchGradients, Engine
from spice_select.models.memory import within_memory

_REMEDY = "cut rows shorter with --max-length, use a smaller proxy, or the last layers alone"


def features_within_memory(engine: Engine, model: nn.Module, examples: Sequence[Example]) -> BatchGradients:
    """`Engine.features`, in halves where the whole does not fit in memory. Raises InputError as `within_memory`."""
    parts = within_memory(lambda batch: engine.features(model, batch), examples, remedy=_REMEDY)
    if len(parts) == 1:
        return parts[0]
    return BatchGradients(
        features=np.concatenate([part.features for part in parts]),
        losses=np.concatenate([part.losses for part in parts]),
        norms=np.concatenate([part.norms for part in parts]),
    )
