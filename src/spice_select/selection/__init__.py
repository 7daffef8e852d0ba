"""Greedy selection of rows: objectives, penalties, stopping rules, constraints and the exact fast paths."""

from spice_select.numerics.features import Features as Features
from spice_select.selection.constraints import Quota as Quota
from spice_select.selection.greedy import greedy as greedy
from spice_select.selection.greedy import naive as naive
from spice_select.selection.objectives import DiagonalLogDet as DiagonalLogDet
from spice_select.selection.objectives import DistinctVariance as DistinctVariance
from spice_select.selection.objectives import FacilityLocation as FacilityLocation
from spice_select.selection.objectives import LogDet as LogDet
from spice_select.selection.objectives import MatchedStep as MatchedStep
from spice_select.selection.objectives import Objective as Objective
from spice_select.selection.objectives import ObjectiveState as ObjectiveState
from spice_select.selection.objectives import PredictedDrop as PredictedDrop
from spice_select.selection.objectives import TargetInformation as TargetInformation
from spice_select.selection.objectives import TargetVariance as TargetVariance
from spice_select.selection.penalties import Conflict as Conflict
from spice_select.selection.penalties import Penalty as Penalty
from spice_select.selection.penalties import PenaltyState as PenaltyState
from spice_select.selection.penalties import SquaredInnerProduct as SquaredInnerProduct
from spice_select.selection.penalties import TargetConflict as TargetConflict
from spice_select.selection.pools import pools as pools
from spice_select.selection.result import Selection as Selection
from spice_select.selection.result import Stats as Stats
from spice_select.selection.result import Stop as Stop
from spice_select.selection.stopping import GainRatio as GainRatio
from spice_select.selection.stopping import NextPick as NextPick
from spice_select.selection.stopping import StoppingRule as StoppingRule
