"""How rows are read as conversations: one file per format, detected from all rows or named by the caller.

`FORMATS` is the one list: `--format`, its help, error messages and the conformance tests are made from it. A new one is
a file with a class, a line in the table and a row in ``tests/data/cases.py``. Pairs of answers are no conversation:
`PREFERENCE` reads them, where pairs are taken (`detect_reader`), and `MARKED` answers that are marked good or bad.
"""

from typing import TYPE_CHECKING

from spice_select.data.formats.alpaca import Alpaca
from spice_select.data.formats.base import Format as Format
from spice_select.data.formats.base import described as described
from spice_select.data.formats.choices import MULTIPLE_CHOICE
from spice_select.data.formats.marked import MARKED as MARKED
from spice_select.data.formats.messages import MESSAGES, SHAREGPT
from spice_select.data.formats.pair_rows import PREFERENCE as PREFERENCE
from spice_select.data.formats.pair_rows import PreferencePairs as PreferencePairs
from spice_select.data.formats.preference import ChosenAnswer
from spice_select.data.formats.two_columns import (
    INPUT_TARGET,
    INSTRUCTION_RESPONSE,
    PROBLEM_SOLUTION,
    PROMPT_CANONICAL_SOLUTION,
    PROMPT_COMPLETION,
    PROMPT_RESPONSE,
    QUESTION_ANSWER,
    QUESTION_BEST_ANSWER,
    TEXT_CODE,
)
from spice_select.settings.deferred import deferred_names
from spice_select.settings.table import Table

if TYPE_CHECKING:
    from spice_select.data.formats.detect import detect_format as detect_format
    from spice_select.data.formats.detect import detect_reader as detect_reader

FORMATS: Table[Format] = Table(
    "format",
    MESSAGES,
    SHAREGPT,
    ChosenAnswer(),
    Alpaca(),
    PROMPT_COMPLETION,
    PROMPT_RESPONSE,
    MULTIPLE_CHOICE,
    QUESTION_ANSWER,
    INSTRUCTION_RESPONSE,
    PROBLEM_SOLUTION,
    PROMPT_CANONICAL_SOLUTION,
    TEXT_CODE,
    INPUT_TARGET,
    QUESTION_BEST_ANSWER,
)
"""In the order in which they are tried: a row with the fields of several is read as the first of them."""

__getattr__ = deferred_names(
    __name__,
    {"detect_format": "spice_select.data.formats.detect", "detect_reader": "spice_select.data.formats.detect"},
)
