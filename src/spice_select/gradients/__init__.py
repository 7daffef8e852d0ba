"""Per-sample gradients of the response loss, sketched: the oracle (`LoopEngine`) and the fast engine (`HookEngine`)."""

from spice_select.gradients.base import BatchGradients, Coverage, Engine, Parameters
from spice_select.gradients.hooks import HookEngine
from spice_select.gradients.loop import LoopEngine
from spice_select.gradients.loss import ResponseLoss, TokenMean, TokenSum
from spice_select.gradients.parameters.lora import LoraGradients
from spice_select.gradients.parameters.weights import FullWeights, LastLayer

__all__ = [
    "BatchGradients",
    "Coverage",
    "Engine",
    "FullWeights",
    "HookEngine",
    "LastLayer",
    "LoopEngine",
    "LoraGradients",
    "Parameters",
    "ResponseLoss",
    "TokenMean",
    "TokenSum",
]
