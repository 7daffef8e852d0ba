"""`spice show`: the summary of a finished run, again."""

from pathlib import Path
from typing import Annotated

import tyro


def show(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    rows: int = 5,
) -> None:
    """Print the summary of a finished run.

    Args:
        run: Run folder.
        rows: How many of the chosen rows to show.
    """
    from rich.console import Console

    from spice_select.cli.tables.summary import print_summary
    from spice_select.run.finished import load

    print_summary(Console(), load(run), rows=rows)
