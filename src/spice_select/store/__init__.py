"""Features on disk: parts that are whole or absent, read back as one matrix.

The stores need pyarrow; importing this does not.
"""

from typing import TYPE_CHECKING

from spice_select.settings.deferred import deferred_names
from spice_select.store.atomic import atomic as atomic
from spice_select.store.atomic import explained as explained
from spice_select.store.atomic import make_folder as make_folder
from spice_select.store.atomic import open_to_write as open_to_write
from spice_select.store.atomic import output_file as output_file
from spice_select.store.atomic import sha256 as sha256
from spice_select.store.atomic import sweep as sweep
from spice_select.store.atomic import whole_folder as whole_folder
from spice_select.store.atomic import write_json as write_json
from spice_select.store.atomic import write_lines as write_lines
from spice_select.store.atomic import write_text as write_text
from spice_select.store.block import FeatureBlock as FeatureBlock
from spice_select.store.journal import add_line as add_line
from spice_select.store.journal import read_lines as read_lines
from spice_select.store.locks import hold as hold
from spice_select.store.locks import is_held as is_held
from spice_select.store.spool import Spool as Spool
from spice_select.store.sums import WholeFiles as WholeFiles
from spice_select.store.sums import is_whole as is_whole
from spice_select.store.sums import json_sum as json_sum
from spice_select.store.sums import sum_path as sum_path
from spice_select.store.sums import write_sum as write_sum

if TYPE_CHECKING:
    from spice_select.store.objects import ObjectStore as ObjectStore
    from spice_select.store.objects import parts_at as parts_at
    from spice_select.store.parts import PartStore as PartStore

__getattr__ = deferred_names(
    __name__,
    {
        "ObjectStore": "spice_select.store.objects",
        "parts_at": "spice_select.store.objects",
        "PartStore": "spice_select.store.parts",
    },
)
