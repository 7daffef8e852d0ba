"""What is subtracted from a gain."""

from spice_select.selection.penalties.base import Penalty as Penalty
from spice_select.selection.penalties.base import PenaltyState as PenaltyState
from spice_select.selection.penalties.conflict import Conflict as Conflict
from spice_select.selection.penalties.squared_inner_product import SquaredInnerProduct as SquaredInnerProduct
from spice_select.selection.penalties.target_conflict import TargetConflict as TargetConflict
