"""How the tokens of a pair's two answers are weighed: v = Σ w ∇log π(y⁺|x) − Σ w ∇log π(y⁻|x).

`PAIR_GRADIENTS` is the one list: `--pair-gradient`, its help and error messages are made from it. A new one is a class,
a line in the table and a row in ``tests/gradients/pair_cases.py``. The table loads no torch.
"""

from typing import TYPE_CHECKING

from spice_select.settings.deferred import Deferred, deferred_names
from spice_select.settings.table import Table

if TYPE_CHECKING:
    from spice_select.gradients.pairs.base import PairGradient as PairGradient
    from spice_select.gradients.pairs.weights import AnswerMeans as AnswerMeans
    from spice_select.gradients.pairs.weights import AnswerSums as AnswerSums
    from spice_select.gradients.pairs.weights import ChosenAlone as ChosenAlone
    from spice_select.gradients.pairs.weights import DampedTails as DampedTails

PAIR_GRADIENTS: "Table[Deferred[type[PairGradient]]]" = Table(
    "pair gradient",
    Deferred(
        "sum",
        "sums over each answer's tokens, as DPO, IPO on sums, hinge, APO-zero, NCA and SPPO have it",
        "spice_select.gradients.pairs.weights:AnswerSums",
    ),
    Deferred(
        "mean",
        "means, as SimPO has it and TRL's `ipo` and `sigmoid_norm`",
        "spice_select.gradients.pairs.weights:AnswerMeans",
    ),
    Deferred(
        "tail",
        "sums in which tokens beyond the shorter answer's length count `--pair-tail`, as LD-DPO has it",
        "spice_select.gradients.pairs.weights:DampedTails",
    ),
    Deferred(
        "chosen",
        "the sum over the chosen answer alone, as if it were learnt; a control",
        "spice_select.gradients.pairs.weights:ChosenAlone",
    ),
)

__getattr__ = deferred_names(
    __name__,
    {
        "PairGradient": "spice_select.gradients.pairs.base",
        "AnswerMeans": "spice_select.gradients.pairs.weights",
        "AnswerSums": "spice_select.gradients.pairs.weights",
        "ChosenAlone": "spice_select.gradients.pairs.weights",
        "DampedTails": "spice_select.gradients.pairs.weights",
    },
)
