"""What data looks like, and what can be certified on it: `python -m benchmarks.selection.shapes [RUN ...]`.

One row for each kind of synthetic data and for each finished run folder: norms, spectrum and cosines of its features,
and the certificate of greedy log det (α = 1, λ = 0) at 1, 10 and 30 % of the rows.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from benchmarks.selection.generators import KINDS, features

from spice_select.diagnosis import certificate, curvature, decompose, profile
from spice_select.selection import LogDet, greedy

SHARES = (0.01, 0.1, 0.3)
BOUNDS = ("B1", "B1c", "B2", "B3", "B4")
HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection.shapes", description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="run folders made by `spice select`")
    parser.add_argument("--rows", type=int, default=2000, help="rows of the synthetic data")
    parser.add_argument("--dim", type=int, default=256, help="dimensions of the synthetic data")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), help="synthetic kinds to describe")
    parser.add_argument("--out", type=Path, default=HERE / "shapes.json")
    arguments = parser.parse_args()
    stored = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for kind in arguments.kinds:
        stored[f"{kind} ({arguments.rows}, {arguments.dim})"] = described(features(kind, arguments.rows, arguments.dim))
    for run in arguments.runs:
        stored |= _described_run(run)
    arguments.out.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    arguments.out.with_suffix(".md").write_text(table_of(stored))
    print(table_of(stored))


def described(matrix: np.ndarray) -> dict[str, object]:
    """Profile, curvature, certificates and rank correlations of one feature matrix."""
    objective = LogDet()
    record: dict[str, object] = {"profile": asdict(profile(matrix)), "curvature": curvature(matrix, objective).value}
    for share in SHARES:
        picks = greedy(matrix, max(1, round(share * len(matrix))), objective=objective)
        found = certificate(matrix, picks, objective)
        record[f"{share:.0%}"] = {
            "k": found.k,
            "ratio": found.ratio,
            "best": found.best,
            "ratios": {name: found.information / bound for name, bound in found.bounds.items()},
            "seconds": found.seconds,
        }
        parts = decompose(matrix, picks, objective)
        record[f"{share:.0%}"] |= {
            "conflict_with_gain": _known(parts.conflict_with_gain),
            "conflict_with_epsilon": _known(parts.conflict_with_epsilon),
            "violations": parts.violations,
            "published_applies": parts.published_applies,
        }
    return record


def _described_run(run: Path) -> dict[str, object]:
    from spice_select.run import finished

    loaded = finished.load(run)
    settings, matrix = loaded.settings, loaded.matrix
    name = f"{Path(loaded.manifest['corpus']['name']).name.split('.')[0]}, {settings.gradients.loss} loss"
    if settings.selection.normalise == "unit":
        name += ", unit norms"
    return {f"{name} ({len(matrix)}, {matrix.shape[1]})": described(matrix)}


def table_of(stored: dict[str, dict]) -> str:
    """Two Markdown tables: the shape of each data set, and what is certified on it."""
    lines = ["| features (n, d) | ‖g‖ 5 / 50 / 95 % | sd log‖g‖ | eff. rank | top 10 | decay | cosine | negative |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for name, record in stored.items():
        p = record["profile"]
        norms = " / ".join(f"{p['norm_quantiles'][i]:.2f}" for i in (1, 3, 5))
        cosines = p["cosines"]
        lines.append(
            f"| {name} | {norms} | {p['log_norm_std']:.2f} | {p['effective_rank']:.0f} | {p['energy'][1]:.0%} | "
            f"{p['decay']:.2f} | {cosines['mean']:+.3f} ± {cosines['std']:.3f} | {cosines['negative']:.0%} |"
        )
    heads = ["features", "k/n", "k", "certified", *BOUNDS, "Spearman(conflict, Δ)", "Spearman(conflict, −ε)"]
    lines += ["", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, record in stored.items():
        for share in (f"{s:.0%}" for s in SHARES):
            entry = record[share]
            ratios = [f"{entry['ratios'][b]:.4f}" if b in entry["ratios"] else "–" for b in BOUNDS]
            ranks = [_signed(entry[c]) for c in ("conflict_with_gain", "conflict_with_epsilon")]
            cells = [name, share, str(entry["k"]), f"{np.floor(entry['ratio'] * 1e4) / 1e4:.4f}", *ratios, *ranks]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


if __name__ == "__main__":
    main()
