"""The pictures of a whole comparison, each as SVG and as PNG."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from spice_select.comparison.curves import draw_budgets, draw_costs
from spice_select.comparison.figures import draw
from spice_select.comparison.judged_set import JudgedSet
from spice_select.comparison.ruling import Ruling


def write_figures(ruling: Ruling, folder: Path) -> list[Path]:
    """`verdicts`: each arm beside random on every set; `costs`: loss against cost; `budgets`: where there are several.

    Returns:
        The files; none without matplotlib.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Callable[[Path], None]] = {
        "verdicts": lambda path: draw([one.compared for one in ruling.sets], path),
        "costs": lambda path: draw_costs(ruling.primaries, path),
    }
    if curves := _curves(ruling.primaries):
        pictures["budgets"] = lambda path: draw_budgets(curves, path)
    found = [folder / f"{name}.{suffix}" for name in pictures for suffix in ("svg", "png")]
    for path in found:
        pictures[path.stem](path)
    return found


def _curves(sets: Sequence[JudgedSet]) -> list[list[JudgedSet]]:
    """The sets of one bed and held-out set at several budgets, the smallest first."""
    grouped: dict[tuple[str, str], list[JudgedSet]] = {}
    for one in sets:
        grouped.setdefault((one.bed.name, one.bed.held), []).append(one)
    return [sorted(group, key=lambda one: one.bed.budget or 0) for group in grouped.values() if len(group) > 1]
