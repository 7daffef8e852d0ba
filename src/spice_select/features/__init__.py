"""What is known of a row: one file a kind, one line in `FEATURES`, one row in ``tests/features/cases.py``.

All are computed in parts on disk and resumable. A method names what it needs (`spice_select.methods.Method.needs`).
Importing this loads no torch; `FEATURES` does, when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from spice_select.features.base import Feature as Feature
from spice_select.features.base import FeatureRequest as FeatureRequest
from spice_select.features.base import usable as usable
from spice_select.features.base import usable_together as usable_together

if TYPE_CHECKING:
    from spice_select.features.forwards import ForwardFeature
    from spice_select.features.gradients import Gradients as Gradients
    from spice_select.features.learnability import Learnability
    from spice_select.settings.table import Table

    FEATURES: Table[type[Gradients] | type[ForwardFeature] | type[Learnability]]


def __getattr__(name: str) -> Any:
    if name not in ("FEATURES", "Gradients"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from spice_select.features.gradients import Gradients
    from spice_select.features.learnability import Learnability
    from spice_select.features.losses import Losses
    from spice_select.features.ratings import Ratings
    from spice_select.features.states import HiddenStates
    from spice_select.features.token_states import TokenStates
    from spice_select.features.unprompted_losses import UnpromptedLosses
    from spice_select.settings.table import Table

    kinds = (Gradients, Losses, UnpromptedLosses, HiddenStates, TokenStates, Ratings, Learnability)
    globals().update(Gradients=Gradients, FEATURES=Table("feature", *kinds))
    return globals()[name]
