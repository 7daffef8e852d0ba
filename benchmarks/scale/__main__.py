"""`python -m benchmarks.scale [--foretold | --memory | --predict | --whole] [--out FOLDER]`: what selections exchange.

Writes scale.json and table.md, of selections by log det over shards. Counts are of one process and do not depend on the
machine; seconds are CPU seconds. `--foretold` writes foretold.json and foretold.md: of selections for what rows tell,
of all rows or of a target. `--memory` writes memory.json: the peak of one selection. `--whole` writes whole.json: that
of a whole `spice select`, by stage. `--predict` writes prediction.json: selections predicted before they are run, and
from scale.json what 10⁶ and 10⁷ rows would take on 1, 8 and 64 GPUs.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.scale.foretold import FORETOLD, FORETOLD_HEAD, foretold, foretold_line
from benchmarks.scale.memory import SHAPES, measured
from benchmarks.scale.prediction import CASES, Assumed, counted_in, predicted_and_actual, scale_table
from benchmarks.scale.rounds import SpreadCase, counted
from benchmarks.scale.whole import WHOLES, watched

BASES = (("unit", 16_000, 32, 0.1, 256), ("unit", 16_000, 32, 0.0, 1024), ("heavy", 16_000, 32, 0.0, 1024))
SHARDS = (1, 8, 64)
HEAD = "| data | n, d, k | λ | block | W | picks a round | passes | of eager | rows sent a pick | as one machine |"


def main() -> None:
    """Run all cases, and write as they come."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--foretold", action="store_true", help="for what rows tell, instead of by log det")
    parser.add_argument("--memory", action="store_true", help="peak memory of one machine instead of shards")
    parser.add_argument("--predict", action="store_true", help="predict selections, then run them; and the large ones")
    parser.add_argument("--whole", action="store_true", help="peak memory of a whole `spice select`, by stage")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.foretold:
        _foretold(asked.out)
        return
    if asked.memory:
        records = [asdict(shape) | measured(shape) for shape in SHAPES]
        (asked.out / "memory.json").write_text(json.dumps(records, indent=1) + "\n")
        return
    if asked.predict:
        _predict(asked.out)
        return
    if asked.whole:
        records = [asdict(case) | watched(case) for case in WHOLES]
        (asked.out / "whole.json").write_text(json.dumps(records, indent=1) + "\n")
        return
    records, lines = [], [HEAD, "|" + "---|" * 10]
    for kind, n, d, weight, block in BASES:
        for shards in SHARDS:
            case = SpreadCase(kind=kind, n=n, d=d, k=n // 10, weight=weight, shards=shards, block=block)
            found = counted(case)
            records.append(asdict(case) | found)
            lines.append(
                f"| {kind} | {n:,}, {d}, {case.k:,} | {weight:g} | {block} | {shards} | {found['picks_a_round']:.1f} | "
                f"{found['passes']:.1f} | {found['of_eager']:.2f} | {found['rows_a_pick']:.1f} | "
                f"{'yes' if found['same'] else 'no'} |"
            )
            print(lines[-1], flush=True)
    (asked.out / "scale.json").write_text(json.dumps(records, indent=1) + "\n")
    (asked.out / "table.md").write_text("\n".join(lines) + "\n")


def _foretold(out: Path) -> None:
    records, lines = [], [FORETOLD_HEAD, "|" + "---|" * 10]
    for case in FORETOLD:
        found = foretold(case)
        records.append(asdict(case) | found)
        lines.append(foretold_line(case, found))
        print(lines[-1], flush=True)
    (out / "foretold.json").write_text(json.dumps(records, indent=1) + "\n")
    (out / "foretold.md").write_text("\n".join(lines) + "\n")


def _predict(out: Path) -> None:
    counts = json.loads((out / "scale.json").read_text(encoding="utf-8"))
    cases = []
    for case in CASES:
        cases.append(predicted_and_actual(case))
        print(json.dumps(cases[-1]), flush=True)
    large = scale_table(counted_in(counts), Assumed())
    found = {"predicted_then_run": cases, "assumed": asdict(Assumed()), "large": large}
    (out / "prediction.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
