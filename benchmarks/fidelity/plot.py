"""Fidelity against sketch length as one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PANELS = (
    ("cosine_error", "cosine error (root mean square)", "log"),
    ("sign_flips", "share of pairs whose cosine changes sign", "linear"),
    ("mean_sign_flips", "share of rows whose sign against the mean changes", "linear"),
    ("retained", "exact information of a 20 % choice, unit norms, relative", "linear"),
)


def draw(records: Sequence[dict[str, Any]], title: str, out: Path) -> None:
    """Four panels, a line for each kind of sketch, from `sweep`'s records, written to `out` (SVG or PNG)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    blind, records = records[0], records[1:]
    lengths = sorted({r["dim"] for r in records})
    figure, axes = pyplot.subplots(2, 2, figsize=(10, 7), constrained_layout=True)
    for axis, (key, label, scale) in zip(axes.flat, PANELS, strict=True):
        for kind in dict.fromkeys(r["kind"] for r in records):
            chosen = [r for r in records if r["kind"] == kind]
            heights = [r[key]["unit 20%"] if key == "retained" else r[key] for r in chosen]
            axis.plot([r["dim"] for r in chosen], heights, marker="o", label=kind)
        if key == "cosine_error":
            axis.axhline(records[0]["cosine_spread"], color="grey", linestyle=":", label="size of the exact cosines")
        if key == "retained":
            axis.axhline(blind[key]["unit 20%"], color="grey", linestyle=":", label="random picks")
        axis.set(xscale="log", yscale=scale, xlabel="sketch length")
        axis.set_title(label, fontsize=10)
        axis.xaxis.minorticks_off()
        axis.set_xticks(lengths, [str(length) for length in lengths])
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.suptitle(title)
    figure.savefig(out)
    pyplot.close(figure)
