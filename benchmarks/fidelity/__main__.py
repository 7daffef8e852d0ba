"""Measure sketches against whole gradients and write the numbers as JSON and a picture.

python -m benchmarks.fidelity --corpus corpus.jsonl.gz --out fidelity
python -m benchmarks.fidelity --run RUN --out fidelity     # a finished run's features, shortened further
python -m benchmarks.fidelity --precision --corpus corpus.jsonl.gz --rows 12 --max-tokens 96 --label precision
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from benchmarks.gradients.rows import generated_rows, real_rows

from spice_select.data.records import Example
from spice_select.gradients import LoraGradients
from spice_select.gradients.fidelity import inner_products
from spice_select.models import load_model
from spice_select.models.load import Loaded
from spice_select.run.finished import load

from .exact import kept_gradients
from .plot import draw
from .precision import measure_precision
from .stability import stability
from .sweep import families, sweep


def main() -> None:
    options = _options()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{options.label}.json"
    report: dict[str, Any]
    if options.precision:
        loaded, rows = _loaded(options)
        report = {"model": loaded.name, "rows": len(rows), "tokens": sum(e.num_tokens for e in rows)}
        report["records"] = _shown(measure_precision(loaded.model, rows, options.token_budget))
    elif options.run:
        features = load(options.run).features.features
        report = {"rows": len(features), "dim": features.shape[1]}
        report["records"] = _shown(stability(features, options.dimensions, options.seeds))
    else:
        report = _whole(options)
        title = f"{options.label}: {report['rows']} rows, {report['parameters']:,} parameters"
        draw(report["records"], title, out / f"{options.label}.svg")
    target.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _loaded(options: argparse.Namespace) -> tuple[Loaded, list[Example]]:
    loaded = load_model(options.model, dtype="float32", device=options.device)
    if options.corpus:
        rows = real_rows(options.corpus, loaded.tokenizer, options.rows, options.max_tokens, options.seed)
    else:
        rows = generated_rows(loaded.model.config.vocab_size, options.rows, options.max_tokens, options.seed)
    return loaded, rows


def _shown(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records, each printed as it comes."""
    kept = []
    for record in records:
        print(json.dumps(record), file=sys.stderr, flush=True)
        kept.append(record)
    return kept


def _whole(options: argparse.Namespace) -> dict[str, Any]:
    loaded, rows = _loaded(options)
    started = perf_counter()
    exact, norms = kept_gradients(
        Path(options.cache), loaded.weights_hash or loaded.name, loaded.model, rows, options.token_budget
    )
    inner = inner_products(exact)
    cosines = (inner / np.outer(norms, norms))[np.triu_indices(len(norms), 1)]
    report: dict[str, Any] = {
        "model": loaded.name,
        "rows": len(rows),
        "tokens": sum(e.num_tokens for e in rows),
        "parameters": exact.shape[1],
        "gradient_seconds": perf_counter() - started,
        "cosines": {
            "rms": float(np.sqrt(np.mean(cosines**2))),
            "mean": float(cosines.mean()),
            "negative": float(np.mean(cosines < 0)),
        },
    }
    blocks = LoraGradients().coverage(loaded.model).blocks
    report["records"] = _shown(sweep(exact, blocks, families(options.dimensions, options.seeds, options.dense)))
    return report


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="directory, GGUF file or hub id; the embedded proxy unless given")
    parser.add_argument("--run", default=None, help="folder of a finished run, instead of a model and rows")
    parser.add_argument("--precision", action="store_true", help="half precision, emulated, instead of sketches")
    parser.add_argument("--label", default="smollm2", help="name of the files that are written")
    parser.add_argument("--corpus", default=None, help="file of real rows; generated ones unless given")
    parser.add_argument("--out", default="fidelity", help="folder")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--token-budget", type=int, default=1024)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0, help="of the rows")
    parser.add_argument("--seeds", type=int, default=3, help="sketches of each kind and length")
    parser.add_argument("--dimensions", type=int, nargs="*", default=[512, 1024, 2048, 4096, 8192])
    parser.add_argument("--dense", type=int, nargs="*", default=[512], help="lengths of the dense Rademacher sketch")
    parser.add_argument("--cache", default=str(Path(tempfile.gettempdir()) / "spice-bench" / "exact"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
