"""What a choice could gain on this data, measured on a sample before hours are spent: which case it is, and what next.

`spice_select.headroom` is the way in; importing this loads no torch.
"""

from spice_select.outlook.cases import Finding as Finding
from spice_select.outlook.result import Headroom as Headroom
