"""Per-sample gradients of the response loss, sketched: the oracle (`LoopEngine`) and the fast engine (`HookEngine`).

The names are loaded when they are asked for: settings can be read without torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spice_select.gradients.base import BatchGradients as BatchGradients
    from spice_select.gradients.base import Coverage as Coverage
    from spice_select.gradients.base import Engine as Engine
    from spice_select.gradients.base import Parameters as Parameters
    from spice_select.gradients.hooks import HookEngine as HookEngine
    from spice_select.gradients.loop import LoopEngine as LoopEngine
    from spice_select.gradients.loss import ResponseLoss as ResponseLoss
    from spice_select.gradients.loss import TokenMean as TokenMean
    from spice_select.gradients.loss import TokenSum as TokenSum
    from spice_select.gradients.parameters.lora import LoraGradients as LoraGradients
    from spice_select.gradients.parameters.weights import FullWeights as FullWeights
    from spice_select.gradients.parameters.weights import LastLayer as LastLayer

_LAZY = {
    "BatchGradients": "spice_select.gradients.base",
    "Coverage": "spice_select.gradients.base",
    "Engine": "spice_select.gradients.base",
    "Parameters": "spice_select.gradients.base",
    "HookEngine": "spice_select.gradients.hooks",
    "LoopEngine": "spice_select.gradients.loop",
    "ResponseLoss": "spice_select.gradients.loss",
    "TokenMean": "spice_select.gradients.loss",
    "TokenSum": "spice_select.gradients.loss",
    "LoraGradients": "spice_select.gradients.parameters.lora",
    "FullWeights": "spice_select.gradients.parameters.weights",
    "LastLayer": "spice_select.gradients.parameters.weights",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
