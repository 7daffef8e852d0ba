"""Plant noise in clean rows, look for suspects, and write how many were found as JSON and as a table.

python -m benchmarks.suspects --corpus FILE --work DIR     # FILE: rows with messages and source

Losses are those of the embedded proxy in float32. They are kept in DIR, so that a second call takes them from there.
"""

import argparse
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from spice_select.cli.display import TerminalProgress
from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import FORMATS
from spice_select.data.records import Conversation, Example, Row
from spice_select.data.settings import DataSettings
from spice_select.data.sources import read_source
from spice_select.diagnosis.suspects import SUSPECTS, Evidence, Found
from spice_select.executors.base import LocalExecutor
from spice_select.features import FeatureRequest
from spice_select.features.learnability import Learnability
from spice_select.features.proxy import Proxy, find_proxy, load_proxy
from spice_select.features.stage import FeatureParts
from spice_select.run.settings import SelectSettings
from spice_select.store import PartStore

from .beds import Bed, Rows, contradicted, first_exchanges, paraphrased, refused, swapped
from .losses import token_mean_losses, unprompted
from .measure import judged, markdown


def main() -> None:
    options = _options()
    work = Path(options.work)
    work.mkdir(parents=True, exist_ok=True)
    raw = [row.raw for row in read_source(options.corpus).rows]
    clean = first_exchanges(raw, options.rows, options.longest, random.Random(options.seed))
    results: dict[str, Any] = {
        "rows": len(clean), "longest": options.longest, "seed": options.seed, "swapped": options.swapped, "beds": []
    }  # fmt: skip
    out = Path(options.out or work / "suspects.json")

    def add(name: str, bed: Bed, kind: str, known: str, evidence: Evidence) -> None:
        each = [SUSPECTS[one].find(evidence, lambda rows: None) for one in kind.split(" or ")]
        found = Found(suspects=[suspect for one in each for suspect in one.suspects], scores=each[0].scores)
        told = {"bed": name, "kind": kind, "known": known, **judged(found, len(bed.rows), bed.planted)}
        results["beds"].append(told)
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(markdown(results), encoding="utf-8")
        print(json.dumps(told))

    def draw() -> random.Random:
        return random.Random(options.seed + 1)

    proxy = find_proxy(SelectSettings().request)
    texts: tuple[tuple[str, str, Callable[[], Bed]], ...] = (
        ("paraphrased copies", "duplicate or near-duplicate", lambda: paraphrased(clean, 0.2, draw())),
        ("contradictions", "contradiction", lambda: contradicted(clean, 0.05, draw())),
        ("refusals", "refusal", lambda: refused(clean, 0.1, draw())),
    )
    for name, kind, make in texts:
        add(name, bed := make(), kind, "text", _evidence(bed.rows, proxy))
        add("nothing", Bed(clean, frozenset(), ()), kind, "text", _evidence(clean, proxy))
    if options.no_losses:
        return
    beds = {
        "nothing": Bed(clean, frozenset(), tuple(range(len(clean)))),
        "answers swapped within source": swapped(clean, options.swapped, draw(), lambda row: row["source"]),
        "answers swapped across sources": swapped(clean, options.swapped, draw(), lambda row: ""),
    }
    alone, losses = _losses(beds, proxy, work / "losses.npz")
    for name, bed in beds.items():
        evidence = _evidence(bed.rows, proxy, losses=losses[name])
        add(name, bed, "mismatched", "loss", evidence)
        both = _evidence(bed.rows, proxy, losses=losses[name], unprompted=alone[list(bed.origins)])
        add(name, bed, "mismatched", "loss with and without the question", both)
    if options.learnability:
        name = "answers swapped within source"
        gained = _learnability(beds[name].rows, proxy, work / "learnability")
        evidence = _evidence(beds[name].rows, proxy, learnability=gained)
        add(name, beds[name], "unlearnable", "loss before and after training on others", evidence)


def _evidence(rows: Rows, proxy: Proxy, **known: Any) -> Evidence:
    examples, read = _encoded(rows, proxy)
    return Evidence(examples=examples, conversations=read, **known)


def _encoded(rows: Rows, proxy: Proxy) -> tuple[list[Example], list[Conversation]]:
    numbered = [Row(number=number, raw=raw, where=str(number)) for number, raw in enumerate(rows)]
    encoder = Encoder(proxy.tokenizer, max_length=DataSettings().max_length)
    examples = encode_rows(numbered, FORMATS["messages"], encoder).examples
    if len(examples) != len(rows):
        raise SystemExit(f"{len(rows) - len(examples)} rows cannot be encoded")
    return examples, [item for row in numbered if isinstance(item := FORMATS["messages"].read(row), Conversation)]


def _losses(beds: dict[str, Bed], proxy: Proxy, kept: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Losses of the answers alone, by the row they belong to, and of each bed; swapped rows alone are taken anew."""
    if kept.is_file():
        found = np.load(kept)
        return found["alone"], {name: found[name] for name in beds}
    model, progress = load_proxy(SelectSettings().request).model, TerminalProgress(Console())
    clean, _ = _encoded(beds["nothing"].rows, proxy)
    alone = token_mean_losses(model, [unprompted(example) for example in clean], progress)
    losses = {"nothing": token_mean_losses(model, clean, progress)}
    for name, bed in beds.items():
        if name != "nothing":
            examples, _ = _encoded(bed.rows, proxy)
            places = sorted(bed.planted)
            losses[name] = losses["nothing"].copy()
            losses[name][places] = token_mean_losses(model, [examples[place] for place in places], progress)
    np.savez(kept, alone=alone, **losses)
    return alone, losses


def _learnability(rows: Rows, proxy: Proxy, folder: Path) -> np.ndarray:
    settings, progress = SelectSettings(), TerminalProgress(Console())
    examples, _ = _encoded(rows, proxy)
    request = FeatureRequest(
        proxy=settings.request, model="proxy", examples=examples, folder=folder, origin="bed", progress=progress
    )
    parts = FeatureParts(
        examples=examples,
        feature=Learnability.of(request),
        store=PartStore(folder, "bed"),
        batch_tokens=proxy.batch_tokens(settings.gradients),
        progress=progress,
    )
    block = parts.store.read(parts.compute(LocalExecutor()))
    return np.asarray(block["loss"] - block["warm"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--work", required=True, help="folder for losses, adapters and results")
    parser.add_argument("--out", help="file for the results; suspects.json in the work folder by default")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--longest", type=int, default=600, help="characters of the longest row")
    parser.add_argument("--swapped", type=float, default=0.4, help="share of the rows whose answers are swapped")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-losses", action="store_true", help="the kinds that look at text alone")
    parser.add_argument("--learnability", action="store_true", help="also train twice and judge by that")
    return parser.parse_args()


if __name__ == "__main__":
    main()
