"""What the page of a run says, in order: one file and one template a section.

A section is a function from the run's material to what it says; one that cannot be had says so in a sentence.
"""

from collections.abc import Callable

from spice_select.report.material import RunMaterial
from spice_select.report.page import Section
from spice_select.report.sections.gains import gains_section
from spice_select.report.sections.rows import rows_section

SECTIONS: tuple[Callable[[RunMaterial], Section], ...] = (gains_section, rows_section)
