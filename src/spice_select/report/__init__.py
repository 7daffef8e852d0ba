"""The page of a finished run, `report.html`: what was chosen and why, in one file that needs no network.

`page/` puts pages together whatever they say; `sections/` has what is said of one run, a file and a template each;
`several/` has what is said of several choices.
"""

from spice_select.report.stage import write_page_figures as write_page_figures
from spice_select.report.stage import write_report as write_report
