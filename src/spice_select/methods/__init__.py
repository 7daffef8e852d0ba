"""Who chooses: one file a method, one line in `METHODS`, one row in ``tests/methods/cases.py``.

`METHODS` is the one list: `--method`, its help, error messages and the conformance tests are made from it.
"""

from spice_select.methods.base import Candidates as Candidates
from spice_select.methods.base import Choice as Choice
from spice_select.methods.base import Method as Method
from spice_select.methods.bm25 import Bm25
from spice_select.methods.budget import Budget as Budget
from spice_select.methods.craig import Craig
from spice_select.methods.deita import Deita
from spice_select.methods.dpp import Dpp
from spice_select.methods.each_task import EachTask
from spice_select.methods.facility_location import Representatives
from spice_select.methods.fishersft import FisherSft
from spice_select.methods.full import Full
from spice_select.methods.gradmatch import GradMatch
from spice_select.methods.greats import Greats
from spice_select.methods.herding import Herding
from spice_select.methods.ifd import Ifd
from spice_select.methods.information import Information
from spice_select.methods.k_center import KCenter
from spice_select.methods.lead import Lead
from spice_select.methods.less import Less, LessPaper, LessRoundRobin
from spice_select.methods.longest import Longest
from spice_select.methods.loss import LossHigh, LossLow, LossMid
from spice_select.methods.margin import ImplicitHigh, ImplicitLow, MarginHigh, MarginLow
from spice_select.methods.novelselect import NovelSelect
from spice_select.methods.random import Random
from spice_select.methods.rds import Rds
from spice_select.methods.selectit import SelectIt
from spice_select.methods.sift import Sift
from spice_select.methods.source_shares import RandomInShares
from spice_select.methods.spice import Spice
from spice_select.methods.stratified import Stratified
from spice_select.methods.top_norm import SpiceOfficial, TopNorm
from spice_select.methods.tsds import Tsds
from spice_select.settings.table import Table

METHODS: Table[type[Method]] = Table(
    "method",
    *(Information, Spice),
    *(Random, Stratified, RandomInShares),
    *(TopNorm, SpiceOfficial),
    Longest,
    *(MarginHigh, MarginLow, ImplicitHigh, ImplicitLow),
    Full,
    *(LossLow, LossMid, LossHigh, Ifd),
    *(FisherSft, SelectIt),
    *(Herding, GradMatch, Craig),
    *(KCenter, Representatives, Dpp, NovelSelect, Deita),
    EachTask,
    *(Bm25, Rds, Tsds, Sift, Less, LessRoundRobin, LessPaper, Greats),
    Lead,
)
