"""How the losses of a row's tokens become the row's loss, and the cross-entropy of each token.

`LOSSES` is the one list: `--loss`, its help, error messages and the conformance tests are made from it. A new loss is a
file with a class, a line in the table and a row in ``tests/gradients/cases.py``. The table loads no torch.
"""

from typing import TYPE_CHECKING

from spice_select.settings.deferred import Deferred, deferred_names
from spice_select.settings.table import Table

if TYPE_CHECKING:
    from spice_select.gradients.losses.base import ResponseLoss as ResponseLoss
    from spice_select.gradients.losses.cross_entropy import token_losses as token_losses
    from spice_select.gradients.losses.tokens import TokenMean as TokenMean
    from spice_select.gradients.losses.tokens import TokenSum as TokenSum

LOSSES: "Table[Deferred[type[ResponseLoss]]]" = Table(
    "loss",
    Deferred("mean", "the mean over its supervised tokens", "spice_select.gradients.losses.tokens:TokenMean"),
    Deferred("sum", "the sum over them", "spice_select.gradients.losses.tokens:TokenSum"),
)

__getattr__ = deferred_names(
    __name__,
    {
        "ResponseLoss": "spice_select.gradients.losses.base",
        "TokenMean": "spice_select.gradients.losses.tokens",
        "TokenSum": "spice_select.gradients.losses.tokens",
        "token_losses": "spice_select.gradients.losses.cross_entropy",
    },
)
