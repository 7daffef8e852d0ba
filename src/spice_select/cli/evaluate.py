"""`spice evaluate`: held-out loss and benchmarks of one model or several."""

from pathlib import Path
from typing import Annotated

import tyro

from spice_select.data.settings import DataSettings
from spice_select.evaluation.settings import BenchmarkSettings, EvaluateSettings, ModelSettings, PreferenceSettings


def evaluate(
    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    *,
    held_out: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None,
    without: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RUN")] = (),
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("evaluations"),
    access: tyro.conf.OmitArgPrefixes[ModelSettings] = ModelSettings(),  # noqa: B008
    data: tyro.conf.OmitArgPrefixes[DataSettings] = DataSettings(),  # noqa: B008
    benchmarks: tyro.conf.OmitArgPrefixes[BenchmarkSettings] = BenchmarkSettings(),  # noqa: B008
    preference: tyro.conf.OmitArgPrefixes[PreferenceSettings] = PreferenceSettings(),  # noqa: B008
) -> None:
    """Judge models by their response loss on held-out rows, by benchmarks, or both; several stand side by side.

    What is finished is kept in the folder of results and not computed again: the same command resumes, and another
    model can join later. A task that fails at work takes no other with it: the tables show what stands, and the
    command ends with 1, or with 2 where the failure can be mended.

    Examples: `spice evaluate trained/ --held-out test.jsonl --without runs/x`,
    `spice evaluate embedded trained/ --tasks gsm8k,ifeval --allow-network`.

    Args:
        models: Model directories, hub ids, `embedded`, PEFT adapters, or folders of finished trainings. Differences
            are to the first.
        held_out: Rows to take the response loss of, in any format that `spice select` reads; of preference pairs, how
            often the chosen answer is found the likelier one, and what training changed of that.
        without: Run folders: held-out rows that stand in their corpora, word for word or nearly, are left out.
        out: Folder of results.
    """
    from rich.console import Console

    from spice_select.cli.display import TerminalProgress
    from spice_select.cli.tables.evaluation import print_evaluation
    from spice_select.evaluation.stage import run_evaluate

    console = Console()
    settings = EvaluateSettings(models=access, data=data, benchmarks=benchmarks, preference=preference)
    found = run_evaluate(
        models, settings, held_out=held_out, without=without, out=out, progress=TerminalProgress(console)
    )
    print_evaluation(console, found)
    if found.failures:
        raise SystemExit(2 if all(failure.mendable for failure in found.failures) else 1)
