"""Is it the selector or the schedule? The same target tuned on what each arm chooses, judged on held-out rows.

    python -m benchmarks.training --corpus train.jsonl --work runs/arms

Everything is resumed: selections, tunings and evaluations that are finished are not done again.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.training import rows, table
from benchmarks.training.arms import ARMS, BESIDE, Arm
from rich.console import Console

import spice_select as spice
from spice_select.cli.display import TerminalProgress
from spice_select.run.finished import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="rows to draw the corpus and the held-out rows from")
    parser.add_argument("--work", type=Path, required=True, help="folder of everything that is made")
    parser.add_argument("--model", help="proxy and target; default: the embedded one")
    parser.add_argument("--rows", type=int, default=360)
    parser.add_argument("--held-out", type=int, default=120)
    parser.add_argument("--longest", type=int, default=256, help="tokens of the longest row that is drawn")
    parser.add_argument("--budget", default="10%")
    parser.add_argument("--pool-size", type=int, default=30)
    parser.add_argument("--update-every", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3, help="of the tuning, in steps of 8 rows")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="of the tuning")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="*", help=f"some of: {', '.join(arm.name for arm in ARMS)}")
    parser.add_argument(
        "--out", type=Path, help="where the JSON, the table and the picture go; default: the work folder"
    )
    options = parser.parse_args()
    rows.draw(
        options.corpus,
        options.model,
        options.work,
        rows=options.rows,
        held_out=options.held_out,
        longest=options.longest,
        seed=0,
    )
    arms = [arm for arm in ARMS if not options.arms or arm.name in options.arms]
    console = Console()
    trained: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for seed in range(options.seeds):  # a whole comparison of one seed first: it can be looked at early
        for arm in arms:
            console.rule(f"{arm.name}, seed {seed}")
            trained[arm.name].append(_tuned(arm, seed, options, TerminalProgress(console)))
            _report(arms, trained, options, console)


def _tuned(arm: Arm, seed: int, options: argparse.Namespace, progress: TerminalProgress) -> dict[str, Any]:
    common = {"model": options.model, "budget": options.budget, "pool_size": options.pool_size}
    common |= {"update_every": options.update_every, "seed": seed if arm.seeded else 0}
    chosen = BESIDE if arm.train else arm  # these arms need a run to stand beside, whichever
    place = options.work / "select" / f"{_slug(chosen.name)}-{common['seed']}"
    run = spice.select(options.work / "corpus.jsonl", out=place, progress=progress, **{**common, **chosen.select})
    settings = {
        "epochs": options.epochs,
        "batch_size": 2,  # two rows are padded to the longer of them: little is
        "accumulation": 4,
        "learning_rate": options.learning_rate,
        "warmup_ratio": 0.0,
        **arm.train,
    }
    made = spice.train(
        run,
        model=options.model,
        seed=seed,
        out=options.work / "train" / f"{_slug(arm.name)}-{seed}",
        progress=progress,
        **settings,
    )
    return {
        "seed": seed,
        "model": str(made.path),
        "rows": made.manifest["rows"],
        "supervised": made.manifest["supervised_tokens_of_rows"],
        "steps": made.steps,
        "tokens": made.tokens,
        "selection_seconds": 0.0 if arm.train else _seconds(run),
        "tuning_seconds": made.seconds,
    }


def _plain(name: str, value: Any) -> Any:
    """A setting as the results keep it: files by their names, since folders are this machine's."""
    return Path(value).name if name in ("corpus", "work", "out") and value is not None else value


def _slug(name: str) -> str:
    return name.replace("λ = 0", "no penalty").replace(",", "").replace(" ", "-")


def _seconds(run: Run) -> float:
    """What choosing cost, reading and the check of the sketch left out."""
    stages = run.manifest["seconds"]
    return sum(stages.get(stage, 0.0) for stage in ("gradients", "training", "selection"))


def _report(
    arms: list[Arm], trained: dict[str, list[dict[str, Any]]], options: argparse.Namespace, console: Console
) -> None:
    made = [(arm, one) for arm in arms for one in trained[arm.name]]
    found = spice.evaluate(
        options.model or "embedded",
        *[one["model"] for _, one in made],
        held_out=options.work / "held_out.jsonl",
        out=options.work / "evaluate",
        progress=TerminalProgress(console),
    )
    losses = [
        {loss.source: {"token": loss.per_token.value, "row": loss.per_row.value} for loss in model.losses}
        for model in found.models
    ]
    for (_, one), loss in zip(made, losses[1:], strict=True):
        one["losses"] = loss
    results = {
        "settings": {name: _plain(name, value) for name, value in vars(options).items()},
        "base": losses[0],
        "sources": sorted(source for source in losses[0] if source != "all"),
        "arms": [
            {"name": arm.name, "runs": [{**one, "model": Path(one["model"]).name} for one in trained[arm.name]]}
            for arm in arms
            if trained[arm.name]
        ],
    }
    out = options.out or options.work
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    (out / "table.md").write_text(table.markdown(results))
    table.draw(results, out / "arms.svg")
    console.print(table.markdown(results), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
