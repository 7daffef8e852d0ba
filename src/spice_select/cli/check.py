"""`spice check`: the sceptic's questions, asked of a run's own gradients, or of a model before hours are spent."""

from pathlib import Path
from typing import Annotated

import tyro

from spice_select.data.settings import DataSettings
from spice_select.errors import InputError
from spice_select.gradients.settings import GradientSettings
from spice_select.models.settings import ProxySettings
from spice_select.run.settings import SelectSettings


def check_run(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    seed: int = 0,
) -> None:
    """Check the theory on a run's own gradients: submodularity, sums of gains, nearness to the optimum, conflicts.

    Then show what the settings do on them: what other λ and α would have chosen, where the early stop would fall, and
    what would explain poor tuning despite high information.

    Args:
        run: Run folder.
        seed: Seed of the random subsets tried.
    """
    from rich.console import Console

    from spice_select.checks.run import examine_run
    from spice_select.cli.tables.examination import print_examination

    print_examination(Console(), examine_run(run, seed=seed))


def check_model(
    model: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")] = None,
    *,
    corpus: str | None = None,
    proxy: tyro.conf.OmitArgPrefixes[ProxySettings] = ProxySettings(),  # noqa: B008
    data: tyro.conf.OmitArgPrefixes[DataSettings] = DataSettings(),  # noqa: B008
    gradients: tyro.conf.OmitArgPrefixes[GradientSettings] = GradientSettings(),  # noqa: B008
) -> None:
    """Check a model before hours are spent on it: fast engine equals plain autograd, company and order change nothing,
    template and mask are sound; and what a run will cost.

    Exits with 2 if one of them fails.

    Args:
        model: Hugging Face causal LM, as for `spice select --model`; the embedded proxy without.
        corpus: File to try the template on and to estimate the time for.
    """
    from rich.console import Console

    from spice_select.checks.model import check_model as check
    from spice_select.cli.display import TerminalProgress
    from spice_select.cli.tables.summary import print_model_report

    if model is not None and proxy.model is not None:
        raise InputError(f"MODEL {model} with --model {proxy.model}: one model is checked. Leave one of the two out.")
    named, console = {} if model is None else {"model": model}, Console()
    settings = SelectSettings.from_flat({**proxy.changed(), **named, **data.changed(), **gradients.changed()})
    report = check(settings, corpus=corpus, progress=TerminalProgress(console))
    print_model_report(console, report)
    failed = [check.name for check in report.checks if check.passed is False]
    if failed:
        raise InputError(
            f"model {report.model}: not fit to be a proxy as it is: {', '.join(failed)}. What was found stands in the "
            "table above"
        )
