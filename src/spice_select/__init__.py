"""Pick the part of an instruction corpus worth training on, by the gradients its samples produce.

`select` does it all, from a file to a run folder; `greedy` is the selector alone, for anyone who has vectors. Importing
this package imports neither numpy nor torch: each name is imported when it is first asked for.
"""

from typing import TYPE_CHECKING

from spice_select.errors import InputError as InputError
from spice_select.errors import SpiceError as SpiceError
from spice_select.settings.deferred import deferred_names

if TYPE_CHECKING:
    from spice_select.agreement import Transfer as Transfer
    from spice_select.agreement.stage import transfer as transfer
    from spice_select.comparison.stage import compare as compare
    from spice_select.diagnosis import certificate as certificate
    from spice_select.evaluation.stage import evaluate as evaluate
    from spice_select.outlook import Headroom as Headroom
    from spice_select.outlook.stage import headroom as headroom
    from spice_select.pipeline import select as select
    from spice_select.run.finished import Run as Run
    from spice_select.run.finished import load as load
    from spice_select.run.settings import SelectSettings as SelectSettings
    from spice_select.selection import Conflict as Conflict
    from spice_select.selection import DiagonalLogDet as DiagonalLogDet
    from spice_select.selection import DistinctVariance as DistinctVariance
    from spice_select.selection import FacilityLocation as FacilityLocation
    from spice_select.selection import GainRatio as GainRatio
    from spice_select.selection import LogDet as LogDet
    from spice_select.selection import Quota as Quota
    from spice_select.selection import Selection as Selection
    from spice_select.selection import SquaredInnerProduct as SquaredInnerProduct
    from spice_select.selection import TargetConflict as TargetConflict
    from spice_select.selection import TargetInformation as TargetInformation
    from spice_select.selection import TargetVariance as TargetVariance
    from spice_select.selection import greedy as greedy
    from spice_select.selection import naive as naive
    from spice_select.selection import pools as pools
    from spice_select.training import Trained as Trained
    from spice_select.training import train as train

__version__ = "0.1.0"

_LAZY = {
    "Conflict": "spice_select.selection",
    "DiagonalLogDet": "spice_select.selection",
    "DistinctVariance": "spice_select.selection",
    "FacilityLocation": "spice_select.selection",
    "GainRatio": "spice_select.selection",
    "LogDet": "spice_select.selection",
    "Quota": "spice_select.selection",
    "Selection": "spice_select.selection",
    "SquaredInnerProduct": "spice_select.selection",
    "TargetConflict": "spice_select.selection",
    "TargetInformation": "spice_select.selection",
    "TargetVariance": "spice_select.selection",
    "greedy": "spice_select.selection",
    "naive": "spice_select.selection",
    "pools": "spice_select.selection",
    "Headroom": "spice_select.outlook",
    "headroom": "spice_select.outlook.stage",
    "Transfer": "spice_select.agreement",
    "transfer": "spice_select.agreement.stage",
    "compare": "spice_select.comparison.stage",
    "SelectSettings": "spice_select.run.settings",
    "certificate": "spice_select.diagnosis",
    "evaluate": "spice_select.evaluation.stage",
    "Run": "spice_select.run.finished",
    "load": "spice_select.run.finished",
    "select": "spice_select.pipeline",
    "Trained": "spice_select.training",
    "train": "spice_select.training",
}
__getattr__ = deferred_names(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
