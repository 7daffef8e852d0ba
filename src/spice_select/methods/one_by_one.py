"""An order that is found pick by pick, as far as an allowance asks for it, with a bar."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from spice_select.methods.base import Candidates, Choice
from spice_select.methods.budget import Allowance
from spice_select.methods.ranked import best_ranked
from spice_select.progress import Progress
from spice_select.progress.meter import Meter


def one_by_one(
    order: Iterator[int],
    candidates: Candidates,
    allowance: Allowance,
    *,
    path: str,
    progress: Progress,
    known: Mapping[str, NDArray[np.floating]] | None = None,
) -> Choice:
    """`best_ranked` of an order whose next row is costly: no more of it is asked for than the allowance needs.

    Args:
        order: as `best_ranked` has it.
        candidates, allowance, path: likewise.
        progress: shown the rows looked at.
        known: likewise; read at the end, so that it may be filled in as the order goes.
    """
    rows = len(candidates) if allowance.rows is None or allowance.quotas else allowance.rows
    with progress.task("Selection", rows, "rows") as advance:
        meter = Meter(advance)
        choice = best_ranked(_told(order, meter), candidates, allowance, path=path, known=known)
        meter.close()
        return choice


def _told(order: Iterator[int], meter: Meter) -> Iterator[int]:
    for count, position in enumerate(order, 1):
        meter.reached(count)
        yield position
