"""Pages of figures, tables and words in one file that needs nothing else: how they are put together, whatever they say.

What comes from data is escaped and made inert on its way in; a Content-Security-Policy forbids whatever is not part of
the page itself, so that it asks nothing of any network.
"""

from spice_select.report.page.document import Page as Page
from spice_select.report.page.document import Section as Section
from spice_select.report.page.document import page_html as page_html
from spice_select.report.page.document import written_by as written_by
from spice_select.report.page.figure import PlotFigure as PlotFigure
from spice_select.report.page.figure import write_images as write_images
from spice_select.report.page.grid import Cell as Cell
from spice_select.report.page.grid import Grid as Grid
from spice_select.report.page.grid import Heading as Heading
from spice_select.report.page.grid import number_cell as number_cell
from spice_select.report.page.pieces import CommandLine as CommandLine
from spice_select.report.page.pieces import Fold as Fold
from spice_select.report.page.pieces import Headline as Headline
from spice_select.report.page.pieces import composed as composed
from spice_select.report.page.pieces import composed_section as composed_section
from spice_select.report.page.templating import Templates as Templates
from spice_select.report.page.texts import cut as cut
