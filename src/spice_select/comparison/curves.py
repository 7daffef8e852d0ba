"""Loss against what it cost, and against the budget."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spice_select.comparison.compared import Comparison
from spice_select.comparison.figures import LOOKS, write_figure
from spice_select.comparison.judged_set import JudgedSet

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe and Ito's, with grey for yellow, which does not show on white."""
MARKERS = "osD^vPX*"
WIDE = 10
"""Costs further apart than this factor stand on a logarithmic axis."""


def draw_costs(sets: Sequence[JudgedSet], path: Path) -> None:
    """A panel a set: the loss of each arm over the FLOPs, or else the seconds, of its choice and its tuning.

    Bars are half of the 95 % interval of the difference from random, whose own line is the dotted one.
    """
    with _panels(len(sets), path) as axes:
        for axis, one in zip(axes, sets, strict=True):
            arms = [one.compared.control, *one.compared.arms]
            counted = all(arm.flops is not None for arm in arms)
            axis.axhline(one.compared.control.loss, color="0.6", linestyle=":", zorder=0)
            costs = [arm.flops if counted and arm.flops is not None else arm.seconds for arm in arms]
            if max(costs) > WIDE * min(costs) > 0:
                axis.set_xscale("log")
            for arm, cost in zip(arms, costs, strict=True):
                colour, marker = _look(arm, one)
                axis.errorbar(cost, arm.loss, yerr=_half(arm), color=colour, marker=marker, capsize=2)
                axis.annotate(arm.arm, (cost, arm.loss), xytext=(6, 4), textcoords="offset points", fontsize=8)
            axis.margins(x=0.2)
            axis.set_xlabel("FLOPs of choice and tuning" if counted else "seconds of choice and tuning")
            _label(axis, one)


def draw_budgets(curves: Sequence[Sequence[JudgedSet]], path: Path) -> None:
    """A panel a bed: the loss of each arm over the budget, `curves` holding the sets of a bed by budget.

    Bars are half of the 95 % interval of the difference from random.
    """
    with _panels(len(curves), path) as axes:
        for axis, sets in zip(axes, curves, strict=True):
            points: dict[str, list[tuple[float, float, float]]] = {}
            for one in sets:
                for arm in (one.compared.control, *one.compared.arms):
                    points.setdefault(arm.arm, []).append((one.bed.budget or 0, arm.loss, _half(arm)))
            for place, (name, found) in enumerate(points.items()):
                budgets, losses, halves = zip(*found, strict=True)
                look = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place // len(COLOURS) % len(MARKERS)]}
                axis.errorbar(budgets, losses, yerr=halves, label=name, capsize=2, **look)
            axis.set_xscale("log")
            ticks = [one.bed.budget for one in sets]
            axis.set_xticks(ticks, [f"{budget:.3g}" for budget in ticks])
            axis.minorticks_off()
            axis.set_xlabel("share of the pool's supervised tokens")
            axis.legend(frameon=False, fontsize=8)
            _label(axis, sets[0])
            axis.set_title(f"{sets[0].bed.name}, judged on {sets[0].bed.held}", loc="left", fontsize=10)


def _look(arm: Comparison, one: JudgedSet) -> tuple[str, str]:
    return ("#000000", "*") if arm.arm == one.compared.terms.control else LOOKS[arm.verdict.word]


def _half(arm: Comparison) -> float:
    return arm.difference.half() if arm.difference else 0.0


def _label(axis: Any, one: JudgedSet) -> None:
    axis.set_ylabel(f"{one.compared.terms.endpoint.name}, nats", fontsize=8)
    axis.set_title(one.bed.title, loc="left", fontsize=10)
    axis.grid(alpha=0.3)


@contextmanager
def _panels(count: int, path: Path) -> Iterator[list[Any]]:
    """So many axes, one below the other; written to `path` when filled."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({"svg.hashsalt": "comparison", "font.size": 10}):
        figure, axes = pyplot.subplots(count, 1, figsize=(8, 4 * count), squeeze=False, layout="constrained")
        yield list(axes[:, 0])
        write_figure(figure, path)
        pyplot.close(figure)
