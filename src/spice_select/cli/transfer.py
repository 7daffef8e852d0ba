"""`spice transfer`: would another model have chosen the same rows?"""

from pathlib import Path
from typing import Annotated

import tyro

from spice_select.agreement.settings import TransferSettings


def transfer(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    model: str,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    settings: tyro.conf.FlagCreatePairsOff[tyro.conf.OmitArgPrefixes[TransferSettings]] = TransferSettings(),  # noqa: B008
) -> None:
    """Measure on a sample how far a run's proxy and another model, e.g. the one to be trained, choose the same rows.

    The gradients of the run are read from its folder; those of the other model are computed under the same settings.

    Args:
        run: Run folder.
        model: The other model: directory, GGUF file, hub id, or `embedded`.
        out: JSON file to write.
    """
    from rich.console import Console

    from spice_select.agreement.stage import run_transfer
    from spice_select.cli.display import TerminalProgress
    from spice_select.cli.tables.transfer import print_transfer
    from spice_select.store import output_file, write_json

    console = Console()
    other = None if model == "embedded" and not Path(model).exists() else model
    place = None if out is None else output_file(out)
    found = run_transfer(run, other, settings, progress=TerminalProgress(console))
    print_transfer(console, found)
    if place is not None:
        write_json(place, found.to_json())
