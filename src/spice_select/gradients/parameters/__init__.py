"""Whose gradients: which parameters of a model make up a feature.

`PARAMETERS` is the one list: `--parameters`, its help, error messages and the conformance tests are made from it. A new
choice is a file with a class (`spice_select.gradients.base.Parameters`), a line in the table and a row in
``tests/gradients/cases.py``. The table loads no torch; the classes do, when they are asked for.
"""

from typing import TYPE_CHECKING

from spice_select.settings.deferred import Deferred, deferred_names
from spice_select.settings.table import Table

if TYPE_CHECKING:
    from spice_select.gradients.base import Parameters
    from spice_select.gradients.parameters.lora import LoraGradients as LoraGradients
    from spice_select.gradients.parameters.weights import FullWeights as FullWeights
    from spice_select.gradients.parameters.weights import LastLayer as LastLayer

PARAMETERS: "Table[Deferred[type[Parameters]]]" = Table(
    "choice of parameters",
    Deferred("lora", "a LoRA on every linear layer", "spice_select.gradients.parameters.lora:LoraGradients"),
    Deferred(
        "last-layer",
        "the output head alone (forward pass only)",
        "spice_select.gradients.parameters.weights:LastLayer",
    ),
    Deferred(
        "full",
        "the weights of all linear layers (give `--sketch kronecker` with it)",
        "spice_select.gradients.parameters.weights:FullWeights",
    ),
)

__getattr__ = deferred_names(
    __name__,
    {
        "FullWeights": "spice_select.gradients.parameters.weights",
        "LastLayer": "spice_select.gradients.parameters.weights",
        "LoraGradients": "spice_select.gradients.parameters.lora",
    },
)
