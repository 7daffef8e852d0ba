"""How rows are read as conversations: one file per format, detected from all rows or named by the caller."""

from spice_select.data.formats.base import Format
from spice_select.data.formats.detect import FORMATS, detect_format

__all__ = ["FORMATS", "Format", "detect_format"]
