"""From a finished run to its page, and to its figures as images."""

from collections.abc import Sequence
from pathlib import Path

from spice_select.data.records import Row
from spice_select.report.material import RunMaterial
from spice_select.report.page import Page, page_html, write_images, written_by
from spice_select.report.sections import sections_of
from spice_select.report.sections.verdict import lead, subtitle, title
from spice_select.run.files import REPORT
from spice_select.run.finished import Run
from spice_select.store import write_text


def write_report(run: Run, *, rows: Sequence[Row] | None = None) -> Path:
    """Write a run's page into its folder, over an earlier one.

    The page is a function of the folder and the corpus: the same each time.

    Args:
        run: a finished run.
        rows: its corpus, where that is known already; else it is read again, and done without where it is gone.

    Raises:
        InputError: an output of the run is missing or was altered, or the page cannot be written.
    """
    material = RunMaterial(run, rows)
    page = Page(
        title=title(material),
        subtitle=subtitle(material),
        lead=lead(material),
        sections=sections_of(material),
        footer=written_by(material.identity["version_spice-select"], run.path),
    )
    write_text(run.path / REPORT, page_html(page))
    return run.path / REPORT


def write_page_figures(run: Run, folder: Path) -> list[Path]:
    """Write every figure of a run's page as SVG and PNG into a folder. Raises InputError as `write_report`."""
    sections = sections_of(RunMaterial(run))
    return write_images([figure for section in sections for figure in section.figures], folder)
