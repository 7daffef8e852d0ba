"""What picks are worth by their gradients, whoever made them: so methods compare number by number."""

from dataclasses import replace

import numpy as np

from spice_select.methods.base import Candidates, Choice
from spice_select.selection import LogDet, greedy


def with_worth(choice: Choice, candidates: Candidates, objective: LogDet) -> Choice:
    """The choice with gain, base, ε and conflict of each pick, from the candidates' gradients.

    A choice that says them already is handed back. Else greedy is told to take these rows in this order; the score of
    a pick is then its gain. Cost: O(k²d) for k picks.
    """
    if "gain" in choice.columns or not len(choice):
        return choice
    picked = greedy(candidates.matrix, len(choice), objective=objective, initial=choice.indices)
    known = Choice.of(replace(picked, penalties=np.zeros(len(choice)), scores=picked.gains))
    return replace(choice, columns={**known.columns, **choice.columns})
