"""How log det is chosen by: greedily among all rows, greedily among the best of a relaxation, or by it alone.

`SELECT_MODES` is the one list: `--select-mode`, its help and error messages are made from it.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from spice_select.errors import InputError
from spice_select.selection import Conflict, Features, Selection, greedy
from spice_select.selection.relaxation.choosing import unopposed, weighed
from spice_select.settings.table import Table

PICKS_A_NUMBER = 25
"""Picks for each number of a row from which on the k largest weights are a choice as good as greedy's."""


class ExactMode:
    """Greedy: the best row of all, pick by pick."""

    name: ClassVar[str] = "exact"
    summary: ClassVar[str] = "the best of all rows at every pick"

    usual: ClassVar[int] = 0
    """Passes over all rows, unless another number is asked for."""

    def __init__(self, passes: int | None = None, over: float = 1.6) -> None:
        self.passes, self.over = passes or self.usual, over

    def pick(self, features: Features, options: dict[str, Any], advance: Callable[[int], None]) -> Selection:
        """`options` as `greedy` takes them."""
        return greedy(features, **options, progress=advance)

    @property
    def said(self) -> str:
        """What a reader of the result should know of it; "" for nothing."""
        return ""


class CertifiedMode(ExactMode):
    """Greedy among the rows that a few passes of the relaxation weigh most."""

    name: ClassVar[str] = "certified"
    summary: ClassVar[str] = "a few passes over all rows, then the best of those that matter at every pick"
    usual: ClassVar[int] = 3

    def pick(self, features: Features, options: dict[str, Any], advance: Callable[[int], None]) -> Selection:
        """See `ExactMode.pick`. Cost: that of `weighed`, and of greedy with bounds on the rows that matter."""
        k, excluded = options["k"], np.asarray(options["excluded"], dtype=np.int64)
        rows = weighed(features, k, options["objective"].alpha, passes=self.passes, excluded=excluded)
        out = np.ones(features.n, dtype=bool)
        out[rows.best(math.ceil(self.over * k))] = False
        out[excluded] = True
        return greedy(features, **options | {"excluded": np.flatnonzero(out)}, progress=advance)

    @property
    def said(self) -> str:
        """What was looked at."""
        return (
            f"--select-mode certified: greedy looked only at the {self.over:g} × k rows that {self.passes} passes over "
            "all rows gave the most weight. What is certified holds against every choice of all rows."
        )


class RelaxedMode(ExactMode):
    """The rows of the largest weights, and no greedy."""

    name: ClassVar[str] = "relaxed"
    summary: ClassVar[str] = f"the passes alone, from {PICKS_A_NUMBER} picks for each number of a row on"
    usual: ClassVar[int] = 10

    def pick(self, features: Features, options: dict[str, Any], advance: Callable[[int], None]) -> Selection:
        """See `ExactMode.pick`; the order is that of the weights. Cost: that of `weighed`, and 2kd² for the gains.

        Raises:
            InputError: fewer picks than the relaxation needs.
        """
        k, penalty = options["k"], options["penalty"]
        if k < PICKS_A_NUMBER * features.d:
            raise InputError(
                f"--select-mode relaxed with {k:,} picks from rows of {features.d:,} numbers: below {PICKS_A_NUMBER} "
                f"picks for each number ({PICKS_A_NUMBER * features.d:,}) the best weights are fractions, and the rows "
                "of the largest are no good choice. Take --select-mode certified, or a smaller --sketch-dim."
            )
        excluded = np.asarray(options["excluded"], dtype=np.int64)
        rows = weighed(features, k, options["objective"].alpha, passes=self.passes, excluded=excluded)
        conflicting = isinstance(penalty, Conflict)
        chosen = unopposed(features, rows, k, penalty) if conflicting else rows.best(k)
        return greedy(features, **options | {"initial": chosen}, progress=advance)

    @property
    def said(self) -> str:
        """How it was chosen."""
        return (
            f"--select-mode relaxed: the rows that {self.passes} passes over all rows gave the most weight, in its "
            "order; no greedy. A conflict was counted with the mean of the choice, not of the picks before."
        )


SELECT_MODES: Table[type[ExactMode]] = Table("select mode", ExactMode, CertifiedMode, RelaxedMode)
