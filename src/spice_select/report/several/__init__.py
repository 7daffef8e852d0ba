"""Several choices beside each other: figures of any, and a page of finished runs."""

from spice_select.report.several.overlap import MOST_OVERLAPS as MOST_OVERLAPS
from spice_select.report.several.overlap import overlap_figure as overlap_figure
from spice_select.report.several.shares import source_shares_figure as source_shares_figure
from spice_select.report.several.stage import write_side_by_side as write_side_by_side
