"""`spice compare`: several methods under one budget, side by side."""

from pathlib import Path
from typing import Annotated

import tyro

from spice_select.comparison.settings import CompareSettings, MethodsSettings, SetsSettings, TuningSettings
from spice_select.data.settings import DataSettings
from spice_select.evaluation.settings import BenchmarkSettings
from spice_select.executors.settings import EngineSettings
from spice_select.gradients.settings import GradientSettings
from spice_select.models.settings import ProxySettings


def compare(
    pool: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="POOL")],
    *,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    arms: tyro.conf.OmitArgPrefixes[MethodsSettings] = MethodsSettings(),  # noqa: B008
    sets: tyro.conf.OmitArgPrefixes[SetsSettings] = SetsSettings(),  # noqa: B008
    tuning: tyro.conf.OmitArgPrefixes[TuningSettings] = TuningSettings(),  # noqa: B008
    proxy: tyro.conf.OmitArgPrefixes[ProxySettings] = ProxySettings(),  # noqa: B008
    data: tyro.conf.OmitArgPrefixes[DataSettings] = DataSettings(),  # noqa: B008
    gradients: tyro.conf.OmitArgPrefixes[GradientSettings] = GradientSettings(),  # noqa: B008
    benchmarks: tyro.conf.OmitArgPrefixes[BenchmarkSettings] = BenchmarkSettings(),  # noqa: B008
    engine: tyro.conf.OmitArgPrefixes[EngineSettings] = EngineSettings(),  # noqa: B008
) -> None:
    """Let several methods choose under one budget, and say how their choices differ and which are better.

    Each method is an arm: an ordinary run of `spice select` in the folder of the comparison. All choose from the same
    rows, take features from one another, and are cut where they hold the same supervised tokens. The tables say what
    each chose, what it cost, and what its gradients are worth. With `--train` a model is tuned on every choice with
    every seed, beside random, stratified and full data at equal steps, and the losses on held-out rows are judged. The
    same command resumes; methods and seeds can be added. An arm that fails takes no other with it: the command ends
    with 1, or with 2 where the failure can be mended.

    Examples: `spice compare train.jsonl --methods random,spice,longest`, `spice compare train.jsonl --target dev.jsonl
    --methods spice,less-rr,rds --budget 5%`, `spice compare train.jsonl --methods spice --train --seeds 0,1,2,3,4`.

    Args:
        pool: The corpus to choose from, as `spice select` takes it.
        out: Folder of the comparison. Default: runs/compare-<pool>-<hash of what was asked>.
        overwrite: Throw away what a different comparison left in the folder.
    """
    from rich.console import Console

    from spice_select.cli.display import TerminalProgress
    from spice_select.cli.tables.choices import print_choices, print_scores
    from spice_select.cli.tables.comparison import print_ruling
    from spice_select.cli.tables.plain import plain_text
    from spice_select.comparison.result import RESULTS_FILE
    from spice_select.comparison.stage import run_compare
    from spice_select.errors import whose_fault

    console = Console()
    settings = CompareSettings(
        arms=arms,
        sets=sets,
        tuning=tuning,
        proxy=proxy,
        data=data,
        gradients=gradients,
        benchmarks=benchmarks,
        engine=engine,
    )
    found = run_compare(pool, settings, out=out, overwrite=overwrite, progress=TerminalProgress(console))
    print_choices(console, found)
    for note in found.notes:
        console.print(f"[yellow]note[/] {plain_text(note)}", highlight=False)
    if found.ruling is not None:
        print_ruling(console, found.ruling)
    print_scores(console, found.scores)
    for failure in found.failures:
        console.print(f"[bold red]failed[/] {plain_text(failure.sentence)}", highlight=False)
    if not all(failure.mendable for failure in found.failures):
        console.print(f"[bold red]ours[/] {plain_text(whose_fault(found.path / RESULTS_FILE))}", highlight=False)
    console.print(f"[bold]{plain_text(str(found.path / RESULTS_FILE))}[/]  all numbers, of every seed")
    if found.failures:
        raise SystemExit(2 if all(failure.mendable for failure in found.failures) else 1)
