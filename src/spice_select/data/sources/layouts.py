"""Arrow's other ways of laying out the same values (views, dictionaries, runs, extensions), made the usual ones.

Casts from these lose values (of the last view in an array, pyarrow 26), change them, or are not there.
"""

from typing import Any


def usual(array: Any) -> Any:
    """The array, or chunked array, with lists for views of lists, values for codes, and storage for extensions.

    ``arrow.json`` and other types of Arrow's own stay as they are; so does an array without any of these.
    """
    import pyarrow as pa

    if not _is_other(array.type):
        return array
    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([usual(chunk) for chunk in array.chunks] or [usual(_empty(array.type))])
    if pa.types.is_dictionary(array.type):
        return _taken(array.dictionary, array.indices)
    if pa.types.is_run_end_encoded(array.type):
        return _taken(array.values, _runs(array))
    if _is_extension(array.type):
        return usual(array.storage)
    if pa.types.is_struct(array.type):
        return _struct(array)
    if pa.types.is_map(array.type):
        return _map(array)
    return _lists(array)


def _is_other(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind) or types.is_list_view(kind):
        return True
    if types.is_large_list_view(kind) or _is_extension(kind):
        return True
    nested = types.is_nested(kind) and not types.is_union(kind)
    return nested and any(_is_other(kind.field(number).type) for number in range(kind.num_fields))


def _is_extension(kind: Any) -> bool:
    """Whether a type is defined in Python, as those of `datasets` are, or a tensor: the values are the storage's."""
    import pyarrow as pa

    return isinstance(kind, pa.ExtensionType | pa.FixedShapeTensorType)


def _empty(kind: Any) -> Any:
    import pyarrow as pa

    return pa.nulls(0, kind)


def _taken(values: Any, places: Any) -> Any:
    import pyarrow as pa

    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    known = usual(values)
    return (known.cast(views[known.type]) if known.type in views else known).take(places)  # no kernel takes from views


def _runs(array: Any) -> Any:
    """For each value, the number of its run."""
    import numpy as np
    import pyarrow as pa

    ends = array.run_ends.to_numpy(zero_copy_only=False)
    return pa.array(np.searchsorted(ends, np.arange(array.offset, array.offset + len(array)), side="right"))


def _struct(array: Any) -> Any:
    import pyarrow as pa

    parts = [usual(part) for part in array.flatten()]
    fields = [array.type.field(number).with_type(part.type) for number, part in enumerate(parts)]
    return pa.StructArray.from_arrays(parts, fields=fields, mask=array.is_null())


def _map(array: Any) -> Any:
    import pyarrow as pa

    keys, items = usual(array.keys), usual(array.items)  # of all maps, whichever part of them the array is
    kind = pa.map_(keys.type, array.type.item_field.with_type(items.type))
    offsets = pa.array(array.offsets.to_numpy())
    return pa.MapArray.from_arrays(offsets, keys, items, type=kind, mask=array.is_null())


def _lists(array: Any) -> Any:
    """Lists of any layout as large lists."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    absent = array.is_null()
    lengths = pc.if_else(absent, 0, pc.list_value_length(array)).to_numpy(zero_copy_only=False)
    inside = usual(array.flatten() if lengths.any() else array.values[:0])  # of nothing Arrow flattens not all types
    kind = pa.large_list(array.type.value_field.with_type(inside.type))
    ends = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64())
    return pa.LargeListArray.from_arrays(ends, inside, type=kind, mask=absent)
