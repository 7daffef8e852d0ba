"""The port of a feature: what must be known of a row before a method can choose."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spice_select.data.records import Drop, Example, Sample
from spice_select.errors import InputError
from spice_select.features.request import ProxyRequest
from spice_select.features.row_weights import PAIR_WEIGHT
from spice_select.progress import Progress, Silent
from spice_select.store import FeatureBlock

PAIR_COLUMNS = (
    *("logp_chosen", "logp_rejected", "chosen_tokens", "rejected_tokens", "margin_mean"),
    *("reference", "delta", PAIR_WEIGHT),
)
"""What the gradients of preference pairs know of a row in place of its loss: log-probabilities (nats), and tokens; on a
proxy that was trained its margin without the training, what the training added, and the weight that DPO gives it."""

KILLS_WORKER = "kills-worker"
"""Why a row is left out that no process survives."""

Compute = Callable[[Sequence[Sample]], FeatureBlock]
"""The features of one batch of examples, rows in the order given; a model is bound to it."""


@dataclass(frozen=True, kw_only=True)
class FeatureRequest:
    """What a feature is made from.

    Attributes:
        proxy: which model, which gradients, which seed.
        model: what the proxy is called.
        examples: what will be computed: rows too long for a model are refused when it is loaded; a warm-up
            draws of them.
        folder: where the parts lie, and what else is kept beside them.
        origin: digest of the facts; what is kept carries it.
        facts: all that decides the numbers.
        progress: told what goes on.
    """

    proxy: ProxyRequest
    model: str
    examples: Sequence[Sample] = ()
    folder: Path | None = None
    origin: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Silent)


class Feature(Protocol):
    """One kind of knowledge about rows: computed in parts, kept on disk, resumable.

    A new one is a file with a class, a line in `spice_select.features.FEATURES` and a row in
    ``tests/features/cases.py``.
    """

    @property
    def name(self) -> str:
        """What it is called, and the folder of a run that its parts lie in."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """All that decides the numbers, JSON-ready. Parts of equal facts are the same and are shared between runs."""
        ...

    def open(self) -> Compute:
        """Load what it takes (a model, an adapter). Called once, and only where a part is missing.

        Raises:
            InputError: the model cannot be loaded or used.
        """
        ...


def single_answers(samples: Sequence[Sample], feature: str) -> list[Example]:
    """The rows themselves, if each is one sequence. Raises InputError for pairs, which the feature is not of."""
    rows = [sample for sample in samples if isinstance(sample, Example)]
    if len(rows) < len(samples):
        raise InputError(
            f"{feature}: known of single answers, not of preference pairs. Take --format chosen for those."
        )
    return rows


def usable(block: FeatureBlock) -> tuple[FeatureBlock, list[Drop]]:
    """The rows of a block of gradients whose loss and gradient are numbers, and the others with the reason."""
    found, drops = usable_together({"gradients": block})
    return found["gradients"], drops


def usable_together(blocks: Mapping[str, FeatureBlock]) -> tuple[dict[str, FeatureBlock], list[Drop]]:
    """Split off the rows of which some feature's number overflowed or is none.

    Args:
        blocks: features of the same rows, by name.

    Returns:
        The features of the other rows, and the rows left out with the reason of each.
    """
    faults = [(name, int(place)) for name, block in blocks.items() for place in np.flatnonzero(~block.finite)]
    if not faults:
        return dict(blocks), []
    sound = np.logical_and.reduce([block.finite for block in blocks.values()])
    first = {place: name for name, place in reversed(faults)}
    drops = [_not_finite(blocks[first[place]], first[place], place) for place in sorted(first)]
    return {name: block.take(sound) for name, block in blocks.items()}, drops


def _not_finite(block: FeatureBlock, name: str, place: int) -> Drop:
    row = int(block.rows[place])
    if row in block.killers:
        return Drop(
            row, KILLS_WORKER, f"every process that computed its {name} died of it, with no other row beside it"
        )
    what = f"a number of its {name}"
    if "loss" in block.columns:
        what = f"loss {block.losses[place]} or its gradient" if name == "gradients" else f"loss {block.losses[place]}"
    return Drop(row, "non-finite", f"{what} is not a finite number")
