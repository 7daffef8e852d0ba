"""The loss curve as a picture."""

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spice_select.store import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NARROWEST = 0.01  # of the loss: an axis that shows less would make rounding look like learning


def draw_curve(path: Path, losses: Sequence[float], *, title: str, of: str = "supervised token") -> bool:
    """Draw the loss of each step, and its running mean, as a PNG; `of` is what it is a mean over.

    Returns:
        Whether it was drawn: not without matplotlib.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps = range(1, len(losses) + 1)
    axes.plot(steps, losses, color="0.7", linewidth=1, label="each step")
    window = max(1, len(losses) // 20)
    axes.plot(steps, _running_mean(losses, window), color="C0", label=f"mean of {window} steps")
    axes.set(xlabel="optimiser step", ylabel=f"loss per {of}", title=title)
    _widen(axes, losses)
    axes.legend(frameon=False)
    with atomic(path) as aside:
        figure.savefig(aside, format="png", dpi=120)
    return True


def _widen(axes: "Axes", losses: Sequence[float]) -> None:
    """Losses are written out in full along the axis, not as what lies above an offset, and a flat one looks flat."""
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    finite = [loss for loss in losses if math.isfinite(loss)]
    if finite and max(finite) - min(finite) < NARROWEST * max(map(abs, finite)):
        middle, half = (max(finite) + min(finite)) / 2, NARROWEST * max(map(abs, finite))
        axes.set_ylim(middle - half, middle + half)


def _running_mean(values: Sequence[float], window: int) -> list[float]:
    """Mean of the last `window` values at each place; of fewer at the start."""
    means = []
    for end in range(1, len(values) + 1):
        last = values[max(0, end - window) : end]
        means.append(sum(last) / len(last))
    return means
