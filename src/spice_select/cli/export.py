"""`spice export`: the chosen rows of a finished run, ready to train on elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from spice_select.export import DESTINATIONS
from spice_select.settings.counted import counted
from spice_select.settings.table import literal

if TYPE_CHECKING:
    DestinationName = str
else:
    DestinationName = literal(DESTINATIONS.names)


def export(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    to: Annotated[DestinationName, tyro.conf.arg(help=f"The trainer. {DESTINATIONS.described()}.")],
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    model: str | None = None,
    messages: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    keep_spice: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Write the chosen rows as files that another trainer takes as they are.

    Rows that a trainer cannot take are written to left_out.jsonl with their reasons.

    Args:
        run: Run folder.
        out: Folder to write. Default: RUN-TRAINER. An earlier export there is replaced, anything else refused.
        model: Model to train, as the configurations name it. Default: the run's proxy.
        messages: With --to trl: `messages` even where every row is one question and its answer.
        keep_spice: Keep each row's `spice` object (rank, gain, epsilon, conflict).
    """
    from rich.console import Console

    from spice_select.cli.tables.plain import plain_text
    from spice_select.errors import InputError
    from spice_select.export import Trl, export_run
    from spice_select.models.family import family_warning
    from spice_select.run.finished import load

    if messages and to != "trl":
        raise InputError(f"--messages goes with --to trl alone; --to {to} has one layout. Leave it out.")
    destination = Trl(messages=messages) if to == "trl" else to
    done = export_run(run, destination, out=out, model=model, keep_spice=keep_spice)
    console = Console()
    for reason, count in done.reasons.items():
        console.print(f"[yellow]left out[/] {count} × {reason}: see left_out.jsonl")
    for note in done.notes:
        console.print(f"[yellow]note[/] {plain_text(note)}", highlight=False)
    warning = family_warning(load(run).settings.proxy.model, model) if model else None
    if warning:
        console.print(f"[yellow]note[/] {plain_text(warning)}", highlight=False)
    for step in done.steps:
        console.print(plain_text(step), highlight=False)
    console.print(
        f"\n[bold]{plain_text(str(done.path))}[/]  {counted(done.rows, 'row')} for {done.destination}", soft_wrap=True
    )
