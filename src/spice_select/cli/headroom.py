"""`spice headroom`: what could a choice gain on this data? Asked on a sample, before hours are spent."""

from pathlib import Path
from typing import Annotated

import tyro

from spice_select.data.settings import DataSettings
from spice_select.gradients.settings import GradientSettings
from spice_select.models.settings import ProxySettings
from spice_select.outlook.settings import HeadroomSettings, LookSettings


def headroom(
    pool: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="POOL")],
    *,
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    look: tyro.conf.OmitArgPrefixes[LookSettings] = LookSettings(),  # noqa: B008
    proxy: tyro.conf.OmitArgPrefixes[ProxySettings] = ProxySettings(),  # noqa: B008
    data: tyro.conf.OmitArgPrefixes[DataSettings] = DataSettings(),  # noqa: B008
    gradients: tyro.conf.OmitArgPrefixes[GradientSettings] = GradientSettings(),  # noqa: B008
) -> None:
    """Say on a sample what a choice could gain on this data, before hours are spent, and which command to run next.

    Four cases: `targeted` (picks for the rows of `--target` explain clearly more of its held-out rows than random picks
    do), `noisy` (far more answers than in a clean pool do not belong to their questions), `redundant` (many rows repeat
    others), `none` (nothing of that: what a choice gained on such pools is a hundredth of a nat). Several may hold; the
    first is the verdict. Nothing is written but `--json`.

    Examples: `spice headroom train.jsonl`, `spice headroom train.jsonl --target gsm8k.jsonl --budget 5%`.

    Args:
        pool: The corpus to choose from, as `spice select` takes it.
        json: JSON file to write.
    """
    from rich.console import Console

    from spice_select.cli.display import TerminalProgress
    from spice_select.cli.tables.headroom import print_headroom
    from spice_select.outlook.stage import run_headroom
    from spice_select.store import output_file, write_json

    console = Console()
    settings = HeadroomSettings(look=look, proxy=proxy, data=data, gradients=gradients)
    place = None if json is None else output_file(json)
    found = run_headroom(pool, settings, progress=TerminalProgress(console))
    print_headroom(console, found)
    if place is not None:
        write_json(place, found.to_json())
