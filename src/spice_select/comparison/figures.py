"""The arms of each bed around random's line, as a picture."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spice_select.comparison.compared import Compared, Comparison
from spice_select.comparison.statistics import CrossedEstimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS = {
    "better": ("#009E73", "o"),
    "worse": ("#D55E00", "X"),
    "equivalent": ("#0072B2", "s"),
    "undecided": ("#000000", "D"),
    "cannot tell": ("#CC79A7", "P"),
    "no verdict": ("#7F7F7F", "v"),
}
"""Colour (of Okabe and Ito's palette, told apart by the colour-blind) and marker of each verdict."""


THIN, THICK = 1.2, 3.5


def draw(compared: Sequence[Compared], path: Path) -> None:
    """A panel a bed: each arm's gain over random with its intervals, a faint dot a seed.

    Thick bars are the arm's own 95 % interval, thin ones hold together with those of the other arms.

    Arms that share fewer than two seeds with random have no place on the axis; the panel's title names them.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    heights = [max(1, len(placed(one))) for one in compared]
    with matplotlib.rc_context({"svg.hashsalt": "evidence", "font.size": 10}):
        figure, axes = pyplot.subplots(
            len(compared),
            1,
            figsize=(8, sum(0.38 * height + 1.3 for height in heights)),
            height_ratios=[height + 1 for height in heights],
            squeeze=False,
            layout="constrained",
        )
        for axis, one in zip(axes[:, 0], compared, strict=True):
            _panel(axis, one)
        words = [word for word in LOOKS if any(arm.verdict.word == word for one in compared for arm, _ in placed(one))]
        figure.legend(
            [
                *(Line2D([], [], color=LOOKS[word][0], marker=LOOKS[word][1], linestyle="") for word in words),
                *(Line2D([], [], color="0.3", linewidth=width) for width in (THICK, THIN)),
            ],
            [*words, "95 %", "simultaneous"],
            loc="outside lower center",
            ncols=len(words) + 2,
            frameon=False,
        )
        write_figure(figure, path)
        pyplot.close(figure)


def write_figure(figure: "Figure", path: Path) -> None:
    """SVG or PNG, by the name; the same each time."""
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def placed(compared: Compared) -> list[tuple[Comparison, CrossedEstimate]]:
    """The arms that have a difference from random, with it, the best first."""
    return [(arm, arm.difference) for arm in compared.arms if arm.difference is not None]


def _panel(axis: Any, one: Compared) -> None:
    arms = placed(one)[::-1]
    axis.axvspan(-one.terms.margin, one.terms.margin, color="0.92", zorder=0)
    axis.axvline(0, color="0.3", linewidth=1, zorder=1)
    for place, (arm, difference) in enumerate(arms):
        colour, marker = LOOKS[arm.verdict.word]
        axis.plot(arm.by_seed, [place - 0.25] * len(arm.by_seed), "o", color=colour, alpha=0.4, markersize=4, mew=0)
        for ends, width in ((arm.simultaneous, THIN), (difference.interval(), THICK)):
            if ends:
                axis.plot(ends, [place, place], color=colour, linewidth=width, solid_capstyle="butt")
        axis.plot(difference.mean, place, marker=marker, color=colour, markersize=8, markeredgecolor="white")
    axis.set_yticks(range(len(arms)), [f"{arm.arm} ({len(arm.seeds)} seeds)" for arm, _ in arms])
    axis.set_ylim(-0.7, len(arms) - 0.3)
    axis.set_xlabel(f"{one.terms.endpoint.name}: {one.terms.control} − arm, nats\n(right is better; grey: the margin)")
    axis.set_title(_title(one), loc="left", fontsize=10)
    axis.grid(axis="x", alpha=0.3)


def _title(one: Compared) -> str:
    parts = [f"{one.terms.control} {one.control.loss:.4f}"]
    if not math.isnan(one.untuned):
        parts.append(f"untuned {one.untuned:.4f}")
    absent = [arm.arm for arm in one.arms if arm.difference is None]
    missing = f"\nnot shown, too few seeds: {', '.join(absent)}" if absent else ""
    return f"{one.bed.title} ({', '.join(parts)}){missing}"
