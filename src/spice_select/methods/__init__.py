"""Who chooses: one file a method, one line in `METHODS`, one row in ``tests/methods/cases.py``.

`METHODS` is the one list: `--method`, its help, error messages and the conformance tests are made from it.
"""

from spice_select.methods.base import Candidates as Candidates
from spice_select.methods.base import Choice as Choice
from spice_select.methods.base import Method as Method
from spice_select.methods.bm25 import Bm25
from spice_select.methods.budget import Budget as Budget
from spice_select.methods.greats import Greats
from spice_select.methods.ifd import Ifd
from spice_select.methods.lead import Lead
from spice_select.methods.less import Less, LessPaper, LessRoundRobin
from spice_select.methods.longest import Longest
from spice_select.methods.loss import LossHigh, LossLow, LossMid
from spice_select.methods.random import Random
from spice_select.methods.rds import Rds
from spice_select.methods.spice import Spice
from spice_select.methods.stratified import Stratified
from spice_select.methods.top_norm import TopNorm
from spice_select.settings.table import Table

METHODS: Table[type[Method]] = Table(
    "method",
    Spice,
    Random,
    Stratified,
    TopNorm,
    Longest,
    *(LossLow, LossMid, LossHigh, Ifd),
    *(Bm25, Rds, Less, LessRoundRobin, LessPaper, Greats),
    Lead,
)
