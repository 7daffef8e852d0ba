"""The chosen rows of a run as files that other trainers take: one file for each target.

`export_run` does it all. A new target is a new file with one class (`Target`), one line in `TARGETS` and one row in the
table of tests.
"""

from spice_select.export.axolotl import Axolotl as Axolotl
from spice_select.export.base import Origin as Origin
from spice_select.export.base import Target as Target
from spice_select.export.jsonl import Jsonl as Jsonl
from spice_select.export.llamafactory import LlamaFactory as LlamaFactory
from spice_select.export.picks import Pick as Pick
from spice_select.export.stage import TARGETS as TARGETS
from spice_select.export.stage import Exported as Exported
from spice_select.export.stage import export_run as export_run
from spice_select.export.stage import find_target as find_target
from spice_select.export.trl import Trl as Trl
