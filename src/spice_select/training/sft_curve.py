"""The loss curve as a picture."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from spice_select.store import atomic


def draw_curve(path: Path, losses: Sequence[float], *, title: str) -> bool:
    """Draw the loss of each step, and its running mean, as a PNG.

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
    axes.set(xlabel="optimiser step", ylabel="loss per supervised token", title=title)
    axes.legend(frameon=False)
    with atomic(path) as aside:
        figure.savefig(aside, format="png", dpi=120)
    return True


def _running_mean(values: Sequence[float], window: int) -> list[float]:
    """Mean of the last `window` values at each place; of fewer at the start."""
    means = []
    for end in range(1, len(values) + 1):
        last = values[max(0, end - window) : end]
        means.append(sum(last) / len(last))
    return means
