"""How diverse a choice of rows is and what of its pool it covers, beside other choices of that pool.

Of directions: hidden states or gradients at length one. None of these numbers is proven to predict tuning.
"""

from spice_select.diagnosis.diversity.clusters import cluster_labels as cluster_labels
from spice_select.diagnosis.diversity.coverage import group_coverage as group_coverage
from spice_select.diagnosis.diversity.directions import Directions as Directions
from spice_select.diagnosis.diversity.log_det_distance import LogDetDistance as LogDetDistance
from spice_select.diagnosis.diversity.log_det_distance import log_det_distances as log_det_distances
from spice_select.diagnosis.diversity.overlap import row_overlap as row_overlap
from spice_select.diagnosis.diversity.report import Diversity as Diversity
from spice_select.diagnosis.diversity.report import measure_diversity as measure_diversity
