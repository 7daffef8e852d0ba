"""All rows: what a choice is a part of."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance, Budget
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress


class Full(Method):
    """Every usable row, in the corpus' order: the corpus as a training set, encoded and cleaned as any choice is.

    A part of it would be the beginning of a file and no control, so any budget but 100% is refused. Loads no model.
    """

    name: ClassVar[str] = "full"
    summary: ClassVar[str] = "all rows, with --budget 100%: what every choice is a part of; loads no model"
    source: ClassVar[str] = "control"
    by_number: ClassVar[bool] = True

    @classmethod
    def clashes(cls, settings: Mapping[str, Any]) -> list[str]:
        """Any other budget than all rows."""
        if Budget.parse(settings["budget"]).share == 1:
            return []
        return [
            f"--method full with --budget {settings['budget']}: it takes all rows there are. Give --budget 100%, or "
            "--method random for a part of them."
        ]

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn."""
        return best_ranked(np.argsort(candidates.rows), candidates, allowance, path=self.name)
