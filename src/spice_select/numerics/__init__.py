"""What selection, diagnosis and evaluation prove and compare with: rounding, row tiles, checked features, estimates.

Nothing here knows of models, runs or files. `rounding` says how far float32 and float64 can lead from the truth;
`features` holds a matrix that has been checked once; `tiles` multiplies one a piece at a time; `ranks` and `estimates`
are the statistics of results.
"""

from spice_select.numerics.features import Features as Features
from spice_select.numerics.features import read as read
from spice_select.numerics.rounding import UNIT32 as UNIT32
from spice_select.numerics.rounding import UNIT64 as UNIT64
from spice_select.numerics.rounding import gamma as gamma
