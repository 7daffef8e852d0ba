"""Rows as a Parquet file that `datasets` reads back as they were written, for TRL."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spice_select.data.formats.base import RowError
from spice_select.data.plain import json_text
from spice_select.errors import InputError
from spice_select.export.records import Record
from spice_select.run.dataset import survives
from spice_select.store import atomic, make_folder, sha256

if TYPE_CHECKING:
    from datasets import Features

_LISTS = ("prompt", "completion", "chosen", "rejected", "messages")
"""Columns that hold lists of turns."""


def refuse_unkept(message: Record, number: int) -> None:
    """Raise a `RowError` where `datasets` would read or write back another number than the turn holds."""
    if message.keys() != {"role", "content"} and not survives(message):
        detail = f"turn {number} holds a number that `datasets` does not keep (beyond 64 bits, or of many digits)"
        raise RowError("number-not-kept", detail)


def write_parquet(folder: Path, records: Sequence[Record]) -> Path:
    """Write one Parquet file, named by its content: under one name `datasets` would take old rows from its cache."""
    import pyarrow.parquet as pq
    from datasets import Dataset

    features = _features(records)
    columns = {name: [_stored(record.get(name), features[name]) for record in records] for name in features}
    # `datasets` names its features in the table's metadata; Parquet carries that along
    table = Dataset.from_dict(columns, features=features).data.table
    make_folder(folder)
    unnamed = folder / "train.parquet"
    with atomic(unnamed) as aside:
        pq.write_table(table.replace_schema_metadata(features.arrow_schema.metadata), aside)
    return unnamed.rename(folder / f"train-{sha256(unnamed)[:16]}.parquet")


def _stored(value: Any, feature: Any) -> Any:
    """Turns with fields of their own as JSON text: `datasets` itself would write their fractions to ten digits."""
    plain = not isinstance(value, list) or isinstance(feature.feature, dict)
    return value if plain else [json_text(turn) for turn in value]


def _features(records: Sequence[Record]) -> "Features":
    """Two strings a turn where that is all there is; else each turn as JSON, so that no field is made up or lost."""
    from datasets import Features, List, Value

    text = Value("string")
    lists = [name for name in _LISTS if name in records[0]]
    plain = all(turn.keys() == {"role", "content"} for record in records for name in lists for turn in record[name])
    turn = {"role": text, "content": text} if plain else _json()
    known: dict[str, Any] = {name: List(turn) for name in lists}
    known |= {"label": Value("bool")} if "label" in records[0] else {}
    known |= {name: text for name in ("tools", "source") if name in records[0]}
    if "spice" in records[0]:
        number, whole = Value("float64"), Value("int64")
        known["spice"] = dict.fromkeys(("gain", "epsilon", "conflict"), number) | {
            "rank": whole,
            "row": whole,
            "sha256": text,
        }
    return Features(known)


def _json() -> Any:
    import datasets

    if not hasattr(datasets, "Json"):
        raise InputError(
            f"datasets {datasets.__version__} cannot hold tool calls as they are. Upgrade it: pip install -U datasets."
        )
    return datasets.Json()
