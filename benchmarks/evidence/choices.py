"""What methods choose on a bed: the product's own methods on features that were computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spice_select.methods import METHODS, Candidates
from spice_select.methods.budget import Allowance
from spice_select.progress import Silent
from spice_select.run.settings import SelectSettings


def order_of(candidates: Candidates, rows: int, *, seed: int = 0, settings: Mapping[str, Any]) -> list[int]:
    """The first `rows` picks, as positions among the candidates."""
    target = {} if candidates.target is None else {"target": ("target",)}
    flat = SelectSettings.from_flat({**target, **settings}).flat()
    method, asked = METHODS[flat["method"]].of(flat), replace(candidates, normalise=flat["normalise"])
    choice = method.choose(asked, Allowance(rows=rows), seed=seed, progress=Silent())
    return choice.indices.tolist()


def among(candidates: Candidates, kept: Sequence[int], rows: int, **how: Any) -> list[int]:
    """The same from some of the candidates alone: positions among all."""
    places = np.asarray(kept, np.int64)
    chosen = order_of(candidates.take(places), min(rows, len(places)), **how)
    return places[chosen].tolist()


def without_target(candidates: Candidates) -> Candidates:
    """The candidates as a method sees them that is told of no target."""
    return replace(candidates, target=None)
