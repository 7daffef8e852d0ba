"""Preference pairs: whom does a choice take where labels are wrong or follow length, and does it tune better?

    python -m benchmarks.preference pairs.jsonl.gz --work runs/preference

Beds first, on gradients of the proxy's last blocks that are taken once; then tunings, seed by seed. What is done is not
done again: the same command goes on, or adds seeds. `--report` computes nothing that is not there.

Expected, written down before anything was measured:

- Turned labels. log det cannot see a label: with λ = 0 their share among the picks is that of all rows. With λ = 0.1 it
  is lower by a few points (in a simulation of 128 dimensions 20.2 % fell to 15.8 %), with 0.5 hardly lower still.
- `mean` against `sum`: where both answers are as long they choose alike. Where one is four times the other, the long
  answer dominates v of a sum whatever was preferred; `mean` and `tail` hold more of the comparison and find turned
  labels no worse.
- Anti-twins: with λ = 0 both twins are taken as rarely as two copies are, since to log det a contradiction is a
  repetition; with λ > 0 more rarely, as the second opposes the first.
- Length: with λ = 0 the picks prefer the longer answer as often as all rows do; with λ > 0 more often, for "be longer"
  is what preferred answers have in common, and most so with `sum`.
- Tuning: at a tenth of the pairs random is within noise of every choice (arXiv 2604.02766 and others). The chosen side
  alone is no worse than pairs by more than noise. Longest may win by its tokens, not by what they say.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.evidence.arms import budget_of, prefix, random_order
from benchmarks.evidence.choices import order_of
from benchmarks.preference import labels
from benchmarks.preference.answers import answers_of, candidates_of
from benchmarks.preference.pairs import Split, read_pairs, split
from benchmarks.preference.tables import bed_table, tuned_table
from benchmarks.preference.tuning import PairJob, PairTuner
from numpy.typing import NDArray

from spice_select.comparison.report_table import ReportTable, tables_json, tables_markdown
from spice_select.store import atomic

Vectors = NDArray[np.float32]
ARMS = ("random", "information", "largest norm", "longest", "chosen side alone")
HERE = Path(__file__).parent / "results"
BEDS = {
    "Turned labels": labels.turned,
    "Anti-twins": labels.twins,
    "Length": labels.by_length,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="preference pairs, in any layout that `spice select` reads")
    parser.add_argument("--work", type=Path, required=True, help="folder of gradients and of results of tunings")
    parser.add_argument("--longest-prompt", type=int, default=96, help="tokens; pairs of longer ones are left out")
    parser.add_argument("--longest", type=int, default=160, help="tokens of a side, cut there")
    parser.add_argument("--pairs", type=int, default=128, help="how many of the pairs that are left, the first of them")
    parser.add_argument("--short", type=int, default=64, help="pairs of the beds where one answer is short")
    parser.add_argument("--held-out", type=int, default=40, help="pairs to judge by")
    parser.add_argument("--share", type=float, default=0.1, help="of the pairs that is chosen")
    parser.add_argument("--equal", choices=("rows", "tokens"), default="rows", help="what every arm has as much of")
    parser.add_argument("--draws", type=int, default=20, help="of the labels of a bed")
    parser.add_argument("--dtype", default="bfloat16", help="of the proxy, and of the model that is tuned")
    parser.add_argument("--device", default="cpu", help="that tunes; gradients are taken on a GPU if there is one")
    parser.add_argument("--batch-tokens", type=int, default=700)
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("I", "N"), help="the I-th of N processes")
    parser.add_argument("--blocks", type=int, default=10, help="last blocks that gradients are taken of")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS, help="who chooses what is tuned on")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--steps", type=int, default=8, help="optimiser steps in an epoch")
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--report", action="store_true", help="tune nothing: tables of what is there")
    options = parser.parse_args()
    pairs = read_pairs(options.file, longest_prompt=options.longest_prompt, longest=options.longest)
    pairs = pairs[: options.pairs]
    how = {"dtype": options.dtype, "last_blocks": options.blocks}
    answers = answers_of(pairs, options.work / "answers", short=options.short, **how)
    compact = answers.compacted()
    beds = [bed_table(title, bed(compact, share=options.share, draws=options.draws)) for title, bed in BEDS.items()]
    _write("labels", beds)
    parts, places = split(pairs, held=options.held_out), {pair.row: place for place, pair in enumerate(pairs)}
    pool = np.array([places[pair.row] for pair in parts.pool])
    jobs = list(_jobs(parts, answers.equal("sum")[pool], answers.whole[pool, 0], options))
    if not options.report:
        _tune(jobs, parts, options)
    done = [json.loads(path.read_text()) for job in jobs if (path := _result(options.work, job)).is_file()]
    if len(done) > 1:
        _write("tuned" if options.equal == "rows" else "tuned-tokens", [tuned_table(done, parts.held)])


def _jobs(parts: Split, pairs: Vectors, chosen_sides: Vectors, options: argparse.Namespace) -> Iterator[PairJob]:
    """The untuned model, then every arm seed by seed, so that a comparison of one seed can be looked at early."""
    how = {"epochs": options.epochs, "steps": options.steps, "rate": options.rate}
    rows = round(options.share * len(parts.pool))
    supervised = np.array([pair.num_supervised for pair in parts.pool])
    budget = budget_of(supervised, rows)
    most = rows if options.equal == "rows" else min(3 * rows, len(parts.pool))

    def cut(order: Sequence[int]) -> list[int]:
        return list(order[:rows]) if options.equal == "rows" else prefix(order, supervised, budget)

    own = candidates_of(pairs, parts.pool)
    alone = candidates_of(chosen_sides, [pair.chosen for pair in parts.pool])
    chosen = {
        "information": order_of(own, most, settings={}),
        "largest norm": order_of(own, most, settings={"method": "top-norm"}),
        "longest": order_of(own, most, settings={"method": "longest"}),
        "chosen side alone": order_of(alone, most, settings={}),
    }
    yield PairJob("untuned", 0, [], **how)
    for seed in range(options.seeds):
        orders = {"random": random_order(len(parts.pool), seed).tolist(), **chosen}
        for arm in options.arms:
            yield PairJob(arm, seed, cut(orders[arm]), **how)


def _tune(jobs: list[PairJob], parts: Split, options: argparse.Namespace) -> None:
    own, of = options.part
    waiting = [job for job in jobs[own::of] if not _result(options.work, job).is_file()]
    if not waiting:
        return
    how = {"dtype": options.dtype, "batch_tokens": options.batch_tokens, "device": options.device}
    tuner = PairTuner(None, **how)
    for job in waiting:
        found: dict[str, Any] = tuner.prefer(job, parts.pool, parts.held)
        path = _result(options.work, job)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as aside:
            aside.write_text(json.dumps(found))
        print(
            f"{job.name}: {found['seconds']:.0f} s, losses {[round(loss, 3) for loss in found['losses']]}", flush=True
        )


def _result(work: Path, job: PairJob) -> Path:
    """Its file: another recipe is another one."""
    return work / "tuned" / f"{job.name}--{len(job.rows)}x{job.epochs}x{job.steps}-{job.rate:g}.json"


def _write(name: str, tables: list[ReportTable]) -> None:
    HERE.mkdir(exist_ok=True)
    (HERE / f"{name}.md").write_text(tables_markdown(tables))
    (HERE / f"{name}.json").write_text(tables_json(tables))
    print(tables_markdown(tables), flush=True)


if __name__ == "__main__":
    main()
