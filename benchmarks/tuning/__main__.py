"""Sweep α, λ, ω and the size of a pool over the gradients of finished runs, and write JSON and tables.

python -m benchmarks.tuning RUN [RUN …] --out results/tuning.json   # each named after its folder, less `run-`
"""

import argparse
import json
from pathlib import Path

from spice_select.run.finished import load

from .sweep import swept
from .tables import markdown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--out", default="tuning.json")
    options = parser.parse_args()
    results, out = {}, Path(options.out)
    for name in options.runs:
        run = load(name)
        results[Path(name).name.removeprefix("run-")] = {
            **swept(run.matrix),
            "sketch": run.settings.gradients.sketch,
            "normalise": run.settings.selection.normalise,
            "dtype": run.manifest["identity"]["dtype"],
            "tokens": run.summary.tokens,
        }
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(markdown(results), encoding="utf-8")
    print(out.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
