"""What the page of a run says, in order: one file a section, and its template.

A section is a function from the run's material to what it says; one that cannot be had says so in a sentence, and one
that is of other kinds of rows is None.
"""

from collections.abc import Callable

from spice_select.report.material import RunMaterial
from spice_select.report.page import Section
from spice_select.report.sections.atlas import map_section
from spice_select.report.sections.balance import balance_section
from spice_select.report.sections.conflicts import conflicts_section
from spice_select.report.sections.cost import cost_section
from spice_select.report.sections.dropped import dropped_section
from spice_select.report.sections.gains import gains_section
from spice_select.report.sections.provenance import provenance_section
from spice_select.report.sections.rows import rows_section
from spice_select.report.sections.sides import sides_section
from spice_select.report.sections.sketch import sketch_section
from spice_select.report.sections.suspects import suspects_section
from spice_select.report.sections.warnings import warnings_section

SECTIONS: tuple[Callable[[RunMaterial], Section | None], ...] = (
    warnings_section,
    rows_section,
    gains_section,
    balance_section,
    sides_section,
    map_section,
    conflicts_section,
    suspects_section,
    dropped_section,
    sketch_section,
    cost_section,
    provenance_section,
)


def sections_of(material: RunMaterial) -> list[Section]:
    """Every section of a run's page."""
    return [found for section in SECTIONS if (found := section(material)) is not None]
