"""Rows as a `datasets.Dataset` that gives every value back as it came.

A table wants one type a column. Where Arrow's own choice of it gives the values back unchanged, it is taken. Where it
would not (fields that some objects have and others lack, whole numbers beside fractions, values of several types), the
column holds JSON: with the `Json` feature of `datasets`, which reads as the value itself, if its reader gives that back
(it knows no numbers beyond 64 bits and no halves of characters); else as text, and the dataset's description names the
column.

A row of a table has every column. Where rows differ in their fields, ``row["spice"]["absent"]`` names those a row did
not have.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spice_select.data.plain import EncodedPlaces, json_text, plain

if TYPE_CHECKING:
    from datasets import Dataset

SPICE = "spice"

_LEVELS = 60
"""How deep a column's type may be nested: Arrow hands on no schema of more than 64 levels."""


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A column: its values as Arrow has them, and what they are for `datasets`.

    Attributes:
        array: the values.
        feature: the feature of `datasets`; None where it follows from the array's type.
        encoded: for each row, what JSON could not say of its value.
        as_text: whether the values are JSON text and have to be parsed by the reader.
    """

    array: Any
    feature: Any = None
    encoded: tuple[EncodedPlaces, ...] = ()
    as_text: bool = False


def dataset_of(rows: Sequence[Mapping[str, Any]], notes: Sequence[Mapping[str, Any]]) -> "Dataset":
    """Rows and what the selection wrote of each, as one dataset; a field `spice` of the rows gives way to the notes.

    Raises:
        UnicodeEncodeError: the name of a field is no valid Unicode.
    """
    from datasets import Dataset, DatasetInfo, Features

    names = list(dict.fromkeys(name for row in rows for name in row if name != SPICE))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    columns[SPICE] = _column([dict(note) for note in _noted(rows, notes, columns)])
    bare = pa.table({name: column.array for name, column in columns.items()})
    known = Features.from_arrow_schema(bare.schema)
    features = Features({name: columns[name].feature or known[name] for name in columns})
    texts = [name for name, column in columns.items() if column.as_text]
    return Dataset(
        bare.replace_schema_metadata(features.arrow_schema.metadata), DatasetInfo(_said(texts), features=features)
    )


def _said(texts: Sequence[str]) -> str:
    return f"JSON text, to be parsed with json.loads: {', '.join(texts)}." if texts else ""


def _noted(
    rows: Sequence[Mapping[str, Any]], notes: Sequence[Mapping[str, Any]], columns: Mapping[str, _Column]
) -> list[dict[str, Any]]:
    """The notes, with the fields a row lacks, and with what of its values is written otherwise in *this* table."""
    absent = [[name for name in columns if name not in row] for row in rows]
    differ = any(absent)
    noted = []
    for number, (row, note) in enumerate(zip(rows, notes, strict=True)):
        still = {place: kind for place, kind in note.get("encoded", {}).items() if place not in plain(row)[1]}
        for name, column in columns.items():
            for place, kind in (column.encoded[number] if column.encoded else {}).items():
                still[f"/{name.replace('~', '~0').replace('/', '~1')}{place}"] = kind
        kept = {key: value for key, value in note.items() if key != "encoded"}
        noted.append(kept | ({"absent": absent[number]} if differ else {}) | ({"encoded": still} if still else {}))
    return noted


def _column(values: list[Any]) -> _Column:
    return _typed(values) or _as_json(values)


def _typed(values: list[Any]) -> _Column | None:
    """The column with the type that Arrow finds in it, if that gives back the very values."""
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError, ValueError):
        return None
    return _Column(array=array) if _storable(array.type) and same(array.to_pylist(), values) else None


def _storable(kind: Any, levels: int = _LEVELS) -> bool:
    """Whether Parquet and `datasets` take the type: objects without a field, say, they do not, nor many levels."""
    if levels == 0 or (pa.types.is_struct(kind) and kind.num_fields == 0):
        return False
    return all(_storable(kind.field(number).type, levels - 1) for number in range(kind.num_fields))


def _as_json(values: list[Any]) -> _Column:
    import datasets

    parts = [(None, {}) if value is None else plain(value) for value in values]
    texts = [None if value is None else json_text(value, ascii_only=True) for value, _ in parts]
    encoded = tuple(places for _, places in parts)
    if hasattr(datasets, "Json") and all(text is None or reads_back(text) for text in texts):
        feature = datasets.Json()
        array = pa.ExtensionArray.from_storage(feature.pa_type, pa.array(texts, pa.string()))
        return _Column(array=array, feature=feature, encoded=encoded)
    return _Column(array=pa.array(texts, pa.string()), encoded=encoded, as_text=True)


def reads_back(text: str) -> bool:
    """Whether the reader behind the `Json` feature of `datasets` finds in a JSON text what Python's finds in it."""
    import datasets

    try:
        return same(datasets.Json().decode_example(text), json.loads(text))
    except ValueError:
        return False


def survives(value: Any) -> bool:
    """Whether a value of JSON comes back from the `Json` feature, also once `datasets` has written it anew."""
    import datasets

    if not hasattr(datasets, "Json"):
        return True
    try:
        again = datasets.Json().encode_example(value)
    except (ValueError, OverflowError):
        return False
    written, encoded = plain(value)
    return not encoded and reads_back(json_text(value, ascii_only=True)) and same(json.loads(again), written)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in type and content, to the order of their fields; NaN is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return (one == other and math.copysign(1, one) == math.copysign(1, other)) or (one != one and other != other)
    # decimals and times of one value may differ in their digits and in their zone
    return bool(one == other) and (one is None or isinstance(one, str | int) or plain(one) == plain(other))
