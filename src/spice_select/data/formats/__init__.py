"""How rows are read as conversations: one file per format, detected from all rows or named by the caller.

`FORMATS` is the one list: `--format`, its help, error messages and the conformance tests are made from it, in the order
in which formats are tried. A new one is a file with a class, a line in the table and a row in ``tests/data/cases.py``.
"""

from spice_select.data.formats.base import Format, described
from spice_select.data.formats.detect import FORMATS, detect_format

__all__ = ["FORMATS", "Format", "described", "detect_format"]
