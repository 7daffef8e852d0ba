"""Set functions to maximise."""

from spice_select.selection.objectives.base import Objective as Objective
from spice_select.selection.objectives.base import ObjectiveState as ObjectiveState
from spice_select.selection.objectives.base import Scaled
from spice_select.selection.objectives.diagonal import DiagonalLogDet as DiagonalLogDet
from spice_select.selection.objectives.facility_location import FacilityLocation as FacilityLocation
from spice_select.selection.objectives.logdet import LogDet as LogDet
from spice_select.selection.objectives.matched_step import MatchedStep as MatchedStep
from spice_select.selection.objectives.predicted_drop import PredictedDrop as PredictedDrop
from spice_select.selection.objectives.target_information import TargetInformation as TargetInformation
from spice_select.selection.objectives.target_variance import POOL_VARIANCES as POOL_VARIANCES
from spice_select.selection.objectives.target_variance import DistinctVariance as DistinctVariance
from spice_select.selection.objectives.target_variance import TargetVariance as TargetVariance
from spice_select.settings.table import Table

OBJECTIVES: Table[type[Scaled]] = Table(
    "objective", LogDet, TargetVariance, DistinctVariance, TargetInformation, MatchedStep
)
"""Those that `--objective` offers: functions of gradients with a scale α."""
