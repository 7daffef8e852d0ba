"""Arrow's values as Python's, none of them cut: where Arrow's own conversion loses something, it is not used.

A ``Json`` value of ``datasets`` (Arrow's type ``arrow.json``) is what its text says, a blank one null; a float of 16 or
32 bits is the shortest number that is that float (1.1, not 1.100000023841858); a time of day in nanoseconds that is no
whole microsecond is its text; a map is an object if its keys are texts, else a list of pairs. So it is in whichever
layout (`spice_select.data.sources.layouts`).
"""

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from spice_select.data.json_texts import parsed_text
from spice_select.data.sources.layouts import usual
from spice_select.errors import InputError

Convert = Callable[[Any], Any]
"""From what Arrow gives for a value that is not null to what it is."""

TOGETHER = 1024
"""Rows that are Python objects at once."""


def rows_of_batches(batches: Iterable[Any], name: str, title: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of record batches (or tables), each with its place within its source.

    Args:
        batches: in order.
        name: of the source, for messages.
        title: of the part of the source that the batches are, in front of the number of a row.

    Raises:
        InputError: a value that Python has no like of, with its row and column.
    """
    first = 0
    for batch in batches:
        for start in range(0, len(batch), TOGETHER):
            rows = batch.slice(start, TOGETHER)
            columns = {
                field.name: _values(rows.column(place), field, f"{name}{title} row ", first)
                for place, field in enumerate(rows.schema)
            }
            for number in range(len(rows)):
                yield {column: values[number] for column, values in columns.items()}, f"{title} row {first + number}"
            first += len(rows)


def _values(column: Any, field: Any, where: str, first: int) -> list[Any]:
    """The values of a column of some rows, of which `first` is the number of the first."""
    import pyarrow as pa

    try:
        column = usual(column)
        kind, convert = _reading(field.with_type(column.type))
        values = (column if kind == column.type else column.cast(kind)).to_pylist()
        return values if convert is None else [_present(convert, value) for value in values]
    except (pa.ArrowException, OverflowError, ValueError, KeyError, RecursionError) as error:
        if len(column) > 1:  # which of them it is
            return [value for n in range(len(column)) for value in _values(column.slice(n, 1), field, where, first + n)]
        said = (str(error).splitlines() or [""])[0].rstrip(".")
        raise InputError(
            f"{where}{first}: the value in the column {field.name!r} cannot be read: {said}. Mend or delete the row, "
            "or write the column as text."
        ) from error


def _present(convert: Convert | None, value: Any) -> Any:
    return value if value is None or convert is None else convert(value)


def _reading(field: Any) -> tuple[Any, Convert | None]:
    """The type to cast a column to before Arrow makes Python's values of it, and what is then to be done with each."""
    import pyarrow as pa

    kind = field.type
    if _is_json(field):
        return kind, _of_json
    if kind == pa.float32():
        return pa.string(), float
    if kind == pa.float16():
        return kind, lambda value: float(str(np.float16(value)))
    if kind == pa.time64("ns"):
        return pa.int64(), _time_of_day
    if pa.types.is_map(kind):
        inner, convert = _reading(kind.item_field)
        named = _is_text(kind.key_type)
        return pa.map_(kind.key_type, kind.item_field.with_type(inner)), _of_map(convert, named)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner, convert = _reading(kind.value_field)
        return _list_of(kind, kind.value_field.with_type(inner)), _of_list(convert)
    if pa.types.is_struct(kind):
        inside = [kind.field(number) for number in range(kind.num_fields)]
        read = [_reading(one) for one in inside]
        made = pa.struct([one.with_type(inner) for one, (inner, _) in zip(inside, read, strict=True)])
        return made, _of_object({one.name: way for one, (_, way) in zip(inside, read, strict=True) if way})
    return kind, None


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_json(field: Any) -> bool:
    """Also where this pyarrow does not know the type: then the field's metadata say what its texts are."""
    named = getattr(field.type, "extension_name", None) or (field.metadata or {}).get(b"ARROW:extension:name")
    return named in ("arrow.json", b"arrow.json")


def _of_json(text: str) -> Any:
    return parsed_text(text) if text.strip() else None


def _list_of(kind: Any, inner: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_fixed_size_list(kind):
        return pa.list_(inner, kind.list_size)
    return pa.large_list(inner) if pa.types.is_large_list(kind) else pa.list_(inner)


def _of_list(convert: Convert | None) -> Convert | None:
    return convert and (lambda values: [_present(convert, value) for value in values])


def _of_object(inside: Mapping[str, Convert]) -> Convert | None:
    return (
        (lambda value: value | {name: _present(way, value[name]) for name, way in inside.items()}) if inside else None
    )


def _of_map(convert: Convert | None, named: bool) -> Convert:
    def read(pairs: list[tuple[Any, Any]]) -> Any:
        found = [(key, _present(convert, value)) for key, value in pairs]
        if not named:
            return found
        keys = [key for key, _ in found]
        if len(set(keys)) < len(keys):
            raise ValueError(f"a map has the key {max(keys, key=keys.count)!r} twice")
        return dict(found)

    return read


def _time_of_day(nanoseconds: int) -> datetime.time | str:
    seconds, below = divmod(nanoseconds, 1_000_000_000)
    time = (datetime.datetime.min + datetime.timedelta(seconds=seconds, microseconds=below // 1000)).time()
    return time if below % 1000 == 0 else f"{time.replace(microsecond=0).isoformat()}.{below:09}"
