"""What precision, batch size and sketch seed do to features and picks; written as JSON.

OMP_NUM_THREADS=1 python -m benchmarks.precision --corpus corpus.jsonl.gz --rows 120 --max-tokens 96 --threads 1

The first rows of the corpus that are short enough are taken. bfloat16 wants a processor that multiplies it
(AVX512-BF16, AMX): emulated it takes hours.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.records import Example
from spice_select.data.sources import read_rows
from spice_select.models import load_model
from spice_select.models.load import load_tokenizer
from spice_select.models.precision import cpu_multiplies_bfloat16

from .compare import against, between_seeds
from .variants import Features, compute, variants


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    examples = short_rows(options.corpus, load_tokenizer(options.model), options.rows, options.max_tokens)
    report = {
        "model": options.model or "SmolLM2-135M-Instruct (embedded)",
        "rows": len(examples),
        "tokens": sum(e.num_tokens for e in examples),
        "dim": options.dim,
        "bfloat16_units": cpu_multiplies_bfloat16(),
        "records": _shown(measure(options, examples)),
    }
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measure(options: argparse.Namespace, examples: list[Example]) -> Iterator[dict[str, Any]]:
    """One record for the sketch's own noise, then one for each variant against its reference."""
    found: dict[str, Features] = {}
    for variant in variants(options.batch_tokens, options.other_batch_tokens):
        model = load_model(options.model, dtype=variant.dtype, device="cpu").model
        features = compute(model, examples, variant, dim=options.dim, seeds=options.seeds)
        if variant.name == variant.against:
            record = {"variant": "another sketch seed", **between_seeds(features.values, options.picks)}
        else:
            record = {
                "variant": variant.name,
                "against": variant.against,
                **against(found[variant.against].values, features.values, options.picks),
            }
        found[variant.name] = features
        yield {**record, "seconds": features.seconds}


def short_rows(corpus: str, tokenizer: object, count: int, max_tokens: int) -> list[Example]:
    """The first rows of a corpus that have at most so many tokens, whole."""
    rows = read_rows(corpus)
    encoded = encode_rows(rows, detect_format(rows), Encoder(tokenizer, max_length=max_tokens + 1))
    return [e for e in encoded.examples if e.num_tokens <= max_tokens][:count]


def _shown(records: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = []
    for record in records:
        print(json.dumps(record), file=sys.stderr, flush=True)
        kept.append(record)
    return kept


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="file of real rows")
    parser.add_argument("--model", default=None, help="directory, GGUF file or hub id; the embedded proxy unless given")
    parser.add_argument("--out", default="benchmarks/precision/results/smollm2.json", help="file")
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--other-batch-tokens", type=int, default=512)
    parser.add_argument("--dim", type=int, default=4096, help="length of a sketch")
    parser.add_argument("--seeds", type=int, default=3, help="sketches")
    parser.add_argument("--picks", type=int, nargs="*", default=[12, 30], help="rows to pick")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
