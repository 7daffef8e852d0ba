"""The comparison as a table and a picture: means over seeds, and 95 % intervals of Student's t."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""The 97.5 % point of Student's t for so many seeds."""


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the width of its 95 % interval over seeds; NaN for one seed."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean, T[len(values)] * spread / math.sqrt(len(values))


def markdown(results: dict[str, Any]) -> str:
    """One line an arm."""
    sources = results["sources"]
    lines = [
        "| chosen by | rows | trained tokens | steps | loss/token | mean of row losses | "
        + " | ".join(sources)
        + " | selection s | tuning s |",
        "|---" * (8 + len(sources)) + "|",
        f"| (untuned) | | | | {results['base']['all']['token']:.4f} | {results['base']['all']['row']:.4f} | "
        + " | ".join(f"{results['base'][source]['token']:.4f}" for source in sources)
        + " | | |",
    ]
    for arm in results["arms"]:
        cells = [arm["name"], *(_span(arm["runs"], key) for key in ("rows", "supervised", "steps"))]
        cells += [_mean(arm["runs"], "all", "token"), _mean(arm["runs"], "all", "row")]
        cells += [_mean(arm["runs"], source, "token") for source in sources]
        cells += [_span(arm["runs"], "selection_seconds"), _span(arm["runs"], "tuning_seconds")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _span(runs: Sequence[dict[str, Any]], key: str) -> str:
    values = [run[key] for run in runs]
    low, high = min(values), max(values)
    return f"{low:,.0f}" if round(low) == round(high) else f"{low:,.0f}–{high:,.0f}"


def _mean(runs: Sequence[dict[str, Any]], source: str, kind: str) -> str:
    mean, half = interval([run["losses"][source][kind] for run in runs])
    return f"{mean:.4f}" if math.isnan(half) else f"{mean:.4f} ± {half:.4f}"


def draw(results: dict[str, Any], path: Path) -> None:
    """Held-out loss of every arm, a dot for each seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 0.42 * len(results["arms"]) + 1.2), layout="constrained")
    for place, arm in enumerate(reversed(results["arms"])):
        values = [run["losses"]["all"]["token"] for run in arm["runs"]]
        mean, half = interval(values)
        axes.plot(values, [place] * len(values), "o", color="C0", alpha=0.5, markeredgewidth=0)
        axes.errorbar(mean, place, xerr=None if math.isnan(half) else half, fmt="|", color="black", capsize=3)
    axes.axvline(results["base"]["all"]["token"], color="grey", linestyle=":", label="untuned")
    axes.set_yticks(range(len(results["arms"])), [arm["name"] for arm in reversed(results["arms"])])
    axes.set_xlabel("held-out response loss per token (lower is better); bars: 95 % over seeds")
    axes.legend(loc="best", frameon=False)
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path)
