"""`spice preview`: rows as the proxy sees them, the tokens that are trained on in colour."""

from typing import Annotated

import tyro

from spice_select.data.settings import DataSettings
from spice_select.models.settings import ProxySettings
from spice_select.run.settings import SelectSettings


def preview(
    corpus: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS")],
    *,
    rows: int = 3,
    start: int = 0,
    proxy: tyro.conf.OmitArgPrefixes[ProxySettings] = ProxySettings(),  # noqa: B008
    data: tyro.conf.OmitArgPrefixes[DataSettings] = DataSettings(),  # noqa: B008
) -> None:
    """Print a few rows as the proxy sees them; what is trained on is green (between ⟦ and ⟧ where there is no colour).

    Of a preference pair the chosen answer is green and the rejected one red (between ⟪ and ⟫); so is an answer that is
    marked bad.

    Needs the tokenizer only, so it is quick: look before hours are spent.

    Args:
        corpus: File, folder or hub id, as for `spice select`.
        rows: How many rows to show.
        start: Number of the first row to show, counted from 0.
    """
    from rich.console import Console

    from spice_select.checks.preview import preview_rows
    from spice_select.cli.tables.summary import print_preview

    print_preview(Console(), preview_rows(corpus, SelectSettings(proxy=proxy, data=data), rows=rows, start=start))
