"""Measure the length bias on a finished run and write the numbers as JSON and a picture.

python -m benchmarks.length RUN --out length.json      # RUN: the folder of a run with token-mean gradients
"""

import argparse
import json
from pathlib import Path

import numpy as np

from spice_select.errors import InputError
from spice_select.run.finished import load

from .bias import length_bias, scaled


def main() -> None:
    options = _options()
    run = load(options.run)
    if run.settings.gradients.loss != "mean":
        raise InputError(f"{options.run}: its loss is {run.settings.gradients.loss}; the others follow from the mean")
    block = run.features
    report = length_bias(block.features, block.norms, block.supervised)
    out = Path(options.out)
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))
    if options.picture:
        _draw(block.features, block.norms, block.supervised, out.with_suffix(".svg"))


def _draw(features: np.ndarray, norms: np.ndarray, lengths: np.ndarray, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 4), constrained_layout=True)
    for axis, (name, (_, sizes)) in zip(axes, scaled(features, norms, lengths).items(), strict=True):
        axis.scatter(lengths, sizes, s=4, alpha=0.5, rasterized=True)
        axis.set(xscale="log", yscale="log", title=name, xlabel="supervised tokens", ylabel="gradient norm")
        axis.grid(alpha=0.3)
    figure.savefig(out)
    pyplot.close(figure)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--out", default="length.json")
    parser.add_argument("--picture", action="store_true", help="also draw norm against length (needs matplotlib)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
