"""Whether two models choose alike: a run's proxy against another model, on a sample of the corpus.

`spice_select.transfer` is the way in; importing this loads no torch.
"""

from spice_select.agreement.result import SourceShares as SourceShares
from spice_select.agreement.result import Transfer as Transfer
