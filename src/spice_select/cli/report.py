"""`spice report`: the page of a finished run or comparison, again; or of several side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from spice_select.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

BESIDE = "side-by-side.html"


def report(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")],
    *,
    figures: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None,
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    open: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Write the page of a finished run, report.html: what was chosen and why, readable without a network.

    Every `spice select` ends with it; this writes it again, as after `spice suspects`, whose findings it shows. One
    file holds words, figures and tables. Where the gradients or the corpus are gone the page says what it lacks. The
    folder of a comparison has a page of its own. Several runs make a page of them side by side: what differs, what
    they share, what each has alone; several comparisons of one pool make curves over their budgets.

    Examples: `spice report runs/math --open`, `spice report runs/math --figures figures/`, `spice report runs/a
    runs/b`.

    Args:
        runs: Folders of runs, or of comparisons.
        figures: Folder to write each figure to, as PNG and SVG.
        out: Where the page of several goes; side-by-side.html in this folder by default.
        open: Open the page in the browser.
    """
    from rich.console import Console

    from spice_select.comparison.reading import is_comparison

    compared = [is_comparison(run) for run in runs]
    if not runs:
        raise InputError("no run was named. Give the folder of one, as `spice select` printed it.")
    if any(compared) and not all(compared):
        raise InputError(f"{runs[compared.index(False)]}: no comparison, and others are. Give runs or comparisons.")
    if len(runs) == 1 and out is not None:
        raise InputError(f"--out {out} with one folder: its page goes into it. Leave --out away.")
    if len(runs) > 1 and figures is not None:
        raise InputError(f"--figures {figures} with several folders: give one at a time.")
    console = Console()
    page = _page(runs, out or Path(BESIDE), comparison=all(compared))
    for image in _images(runs[0], figures, comparison=all(compared)) if figures is not None else []:
        console.print(str(image), highlight=False, markup=False, soft_wrap=True)
    console.print(f"{page}  all on one page; any browser opens it", highlight=False, markup=False, soft_wrap=True)
    if open:
        _show(console, page)


def _page(runs: tuple[Path, ...], out: Path, *, comparison: bool) -> Path:
    from spice_select.run.finished import load

    if comparison:
        from spice_select.comparison.page import write_budgets_page, write_comparison_page
        from spice_select.comparison.reading import read_comparison

        found = [read_comparison(run) for run in runs]
        return write_comparison_page(found[0]) if len(found) == 1 else write_budgets_page(found, out)
    if len(runs) == 1:
        from spice_select.report import write_report

        return write_report(load(runs[0]))
    from spice_select.report.several import write_side_by_side

    return write_side_by_side([load(run) for run in runs], out)


def _images(run: Path, folder: Path, *, comparison: bool) -> list[Path]:
    if comparison:
        from spice_select.comparison.page import comparison_figures
        from spice_select.comparison.reading import read_comparison
        from spice_select.report.page import write_images

        return write_images(comparison_figures(read_comparison(run)), folder)
    from spice_select.report import write_page_figures
    from spice_select.run.finished import load

    return write_page_figures(load(run), folder)


def _show(console: "Console", page: Path) -> None:
    """Open a page in the browser, or say how to."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        console.print("No browser was found on this machine: copy the file to one that has a browser.")
