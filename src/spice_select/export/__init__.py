"""The chosen rows of a run as files that other trainers take: one file for each destination.

`export_run` does it all. `DESTINATIONS` is the one list: `--to`, its help, error messages and the conformance tests are
made from it. A new destination is a file with a class (`Destination`), a line in the table and a row in
``tests/export/cases.py``. The table loads nothing; the classes do, when they are asked for.
"""

from typing import TYPE_CHECKING

from spice_select.settings.deferred import Deferred, deferred_names
from spice_select.settings.table import Table

if TYPE_CHECKING:
    from spice_select.export.axolotl import Axolotl as Axolotl
    from spice_select.export.base import Destination as Destination
    from spice_select.export.base import Origin as Origin
    from spice_select.export.jsonl import Jsonl as Jsonl
    from spice_select.export.llamafactory import LlamaFactory as LlamaFactory
    from spice_select.export.picks import Pick as Pick
    from spice_select.export.stage import Exported as Exported
    from spice_select.export.stage import export_run as export_run
    from spice_select.export.trl import Trl as Trl

DESTINATIONS: "Table[Deferred[type[Destination]]]" = Table(
    "destination",
    Deferred("trl", "Parquet with a dataset card and a training script", "spice_select.export.trl:Trl"),
    Deferred(
        "llamafactory",
        "JSON lines, dataset_info.json and train.yaml",
        "spice_select.export.llamafactory:LlamaFactory",
    ),
    Deferred("axolotl", "JSON lines and axolotl.yaml", "spice_select.export.axolotl:Axolotl"),
    Deferred("jsonl", "the rows exactly as they came", "spice_select.export.jsonl:Jsonl"),
)

__getattr__ = deferred_names(
    __name__,
    {
        "Axolotl": "spice_select.export.axolotl",
        "Destination": "spice_select.export.base",
        "Exported": "spice_select.export.stage",
        "Jsonl": "spice_select.export.jsonl",
        "LlamaFactory": "spice_select.export.llamafactory",
        "Origin": "spice_select.export.base",
        "Pick": "spice_select.export.picks",
        "Trl": "spice_select.export.trl",
        "export_run": "spice_select.export.stage",
    },
)


def find_destination(name: str) -> "Destination":
    """The destination of that name, with its defaults. Raises InputError for an unknown one."""
    return DESTINATIONS[name].load()()
