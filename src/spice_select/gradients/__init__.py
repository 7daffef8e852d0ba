"""Per-sample gradients of the response loss, sketched: the oracle (`LoopEngine`) and the fast engine (`HookEngine`).

The tables `LOSSES`, `PAIR_GRADIENTS`, `PARAMETERS` and `PRECONDITIONERS` say what there is to choose. They load no
torch, so settings can be read without it; the classes do, when they are asked for.
"""

from typing import TYPE_CHECKING

from spice_select.gradients.losses import LOSSES as LOSSES
from spice_select.gradients.pairs import PAIR_GRADIENTS as PAIR_GRADIENTS
from spice_select.gradients.parameters import PARAMETERS as PARAMETERS
from spice_select.settings.deferred import Deferred, deferred_names
from spice_select.settings.table import Table

if TYPE_CHECKING:
    from spice_select.gradients.base import BatchGradients as BatchGradients
    from spice_select.gradients.base import Coverage as Coverage
    from spice_select.gradients.base import Engine as Engine
    from spice_select.gradients.base import Parameters as Parameters
    from spice_select.gradients.hooks import HookEngine as HookEngine
    from spice_select.gradients.loop import LoopEngine as LoopEngine
    from spice_select.gradients.losses import ResponseLoss as ResponseLoss
    from spice_select.gradients.losses import TokenMean as TokenMean
    from spice_select.gradients.losses import TokenSum as TokenSum
    from spice_select.gradients.parameters import FullWeights as FullWeights
    from spice_select.gradients.parameters import LastLayer as LastLayer
    from spice_select.gradients.parameters import LoraGradients as LoraGradients
    from spice_select.gradients.preconditioner import Preconditioner as Preconditioner

PRECONDITIONERS: "Table[Deferred[type[Preconditioner]]]" = Table(
    "preconditioner",
    Deferred(
        "adam",
        "the update Adam would make from this sample alone, as LESS has it",
        "spice_select.gradients.preconditioner:AdamUpdate",
    ),
    Deferred(
        "diagonal",
        "gradients over the root of Adam's second moments",
        "spice_select.gradients.preconditioner:AdamDiagonal",
    ),
)
"""What `--precondition` can be beside ``none``."""

__getattr__ = deferred_names(
    __name__,
    {
        "BatchGradients": "spice_select.gradients.base",
        "Coverage": "spice_select.gradients.base",
        "Engine": "spice_select.gradients.base",
        "Parameters": "spice_select.gradients.base",
        "HookEngine": "spice_select.gradients.hooks",
        "LoopEngine": "spice_select.gradients.loop",
        "ResponseLoss": "spice_select.gradients.losses.base",
        "TokenMean": "spice_select.gradients.losses.tokens",
        "TokenSum": "spice_select.gradients.losses.tokens",
        "LoraGradients": "spice_select.gradients.parameters.lora",
        "FullWeights": "spice_select.gradients.parameters.weights",
        "LastLayer": "spice_select.gradients.parameters.weights",
        "Preconditioner": "spice_select.gradients.preconditioner",
    },
)
