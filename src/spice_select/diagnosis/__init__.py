"""What can be said of a selection: how far from the best, what interaction cost, and whether the theory holds here."""

from spice_select.diagnosis.certificates import Certificate as Certificate
from spice_select.diagnosis.certificates import certificate as certificate
from spice_select.diagnosis.conflict import ConflictStatistics as ConflictStatistics
from spice_select.diagnosis.conflict import PairCosines as PairCosines
from spice_select.diagnosis.conflict import conflict_statistics as conflict_statistics
from spice_select.diagnosis.conflict import pair_cosines as pair_cosines
from spice_select.diagnosis.curvature import Curvature as Curvature
from spice_select.diagnosis.curvature import curvature as curvature
from spice_select.diagnosis.early_stop import EarlyStop as EarlyStop
from spice_select.diagnosis.early_stop import early_stops as early_stops
from spice_select.diagnosis.epsilon import Decomposition as Decomposition
from spice_select.diagnosis.epsilon import decompose as decompose
from spice_select.diagnosis.interaction import Interaction as Interaction
from spice_select.diagnosis.interaction import interaction as interaction
from spice_select.diagnosis.profile import Profile as Profile
from spice_select.diagnosis.profile import profile as profile
from spice_select.diagnosis.sensitivity import Sensitivity as Sensitivity
from spice_select.diagnosis.sensitivity import Variant as Variant
from spice_select.diagnosis.sensitivity import sensitivity as sensitivity
from spice_select.diagnosis.theory import CheckResult as CheckResult
from spice_select.diagnosis.theory import run_checks as run_checks
from spice_select.diagnosis.versus_random import RandomComparison as RandomComparison
from spice_select.diagnosis.versus_random import versus_random as versus_random
from spice_select.diagnosis.warning_signs import Sign as Sign
from spice_select.diagnosis.warning_signs import signs as signs
from spice_select.numerics.features import read as read
