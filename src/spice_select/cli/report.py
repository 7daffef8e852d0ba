"""`spice report`: the page of a finished run, again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from rich.console import Console


def report(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    figures: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
    open: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Write the page of a finished run, report.html: what was chosen and why, readable without a network.

    Every `spice select` ends with it; this writes it again, as after `spice suspects`, whose findings it shows. One
    file holds words, figures and tables. Where the gradients or the corpus are gone the page says what it lacks.

    Examples: `spice report runs/math --open`, `spice report runs/math --figures figures/`.

    Args:
        run: Run folder.
        figures: Folder to write each figure to, as PNG and SVG.
        open: Open the page in the browser.
    """
    from rich.console import Console

    from spice_select.report import write_page_figures, write_report
    from spice_select.run.finished import load

    console, opened = Console(), load(run)
    page = write_report(opened)
    for image in write_page_figures(opened, figures) if figures is not None else []:
        console.print(str(image), highlight=False, markup=False, soft_wrap=True)
    console.print(f"{page}  the run on one page; any browser opens it", highlight=False, markup=False, soft_wrap=True)
    if open:
        _show(console, page)


def _show(console: "Console", page: Path) -> None:
    """Open a page in the browser, or say how to."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        console.print("No browser was found on this machine: copy the file to one that has a browser.")
