"""Rows to look at before a model is trained on them, each with its reason: one file a kind, one line in `SUSPECTS`.

Nothing is left out for being listed here; `spice select --without-suspects` leaves out, and says so row by row.
"""

from spice_select.diagnosis.suspects.alike import AlikeAnswers
from spice_select.diagnosis.suspects.base import Evidence as Evidence
from spice_select.diagnosis.suspects.base import Found as Found
from spice_select.diagnosis.suspects.base import Suspect as Suspect
from spice_select.diagnosis.suspects.base import Suspects as Suspects
from spice_select.diagnosis.suspects.base import Suspicion as Suspicion
from spice_select.diagnosis.suspects.contradiction import Contradictions
from spice_select.diagnosis.suspects.cut import CutRows
from spice_select.diagnosis.suspects.exact import Duplicates
from spice_select.diagnosis.suspects.learnability import Unlearnable
from spice_select.diagnosis.suspects.mismatch import Mismatched
from spice_select.diagnosis.suspects.near import NearDuplicates
from spice_select.diagnosis.suspects.refusal import Refusals
from spice_select.diagnosis.suspects.turned import TurnedPairs
from spice_select.settings.table import Table

SUSPECTS: Table[Suspicion] = Table(
    "kind of suspect",
    Duplicates(),
    NearDuplicates(),
    CutRows(),
    Refusals(),
    Mismatched(),
    Unlearnable(),
    Contradictions(),
)
"""In the order in which a row's reasons are told: it is left out for the first of them that was asked for."""

PAIR_SUSPECTS: Table[Suspicion] = Table(
    "kind of suspect among preference pairs",
    Duplicates(),
    NearDuplicates(),
    CutRows(),
    Refusals(),
    AlikeAnswers(),
    TurnedPairs(),
)
"""The kinds that make sense of pairs: a refusal is that of the chosen answer. None goes by losses, which are of one."""

REVIEW_ONLY = frozenset({"unlearnable", "contradiction"})
"""Kinds that leave a row out only where they are named: the one costs two trainings, the other lists many rows of
questions with more than one good answer."""
