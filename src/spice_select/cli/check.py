"""`spice check features`: the sceptic's questions, asked of a run's own gradients."""

from pathlib import Path
from typing import Annotated

import tyro


def check_features(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    seed: int = 0,
) -> None:
    """Check the theory on a run's own gradients: submodularity, sums of gains, nearness to the optimum, conflicts.

    Args:
        run: Run folder.
        seed: Seed of the random subsets tried.
    """
    from rich.console import Console

    from spice_select.cli.tables import print_checks
    from spice_select.finished import check_run

    print_checks(Console(), check_run(run, seed=seed))
