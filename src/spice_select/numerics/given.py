"""What callers give as numbers or labels, made plain: whatever holds them, what is read is what they hold."""

import sys
from collections.abc import Hashable, Iterable, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.errors import InputError

_LIKE_THEMSELVES = frozenset({str, int, bool, bytes})
"""Types of labels whose every value is hashable and equal to itself."""

_NUMPY_FLOATS = ("torch.float16", "torch.float32", "torch.float64")


def plain_array(values: Any, what: str = "features") -> NDArray[Any]:
    """Any array-like as a plain array: no matrix, whose product is another, and no tensor, also in a list.

    Args:
        values: an array of any library that numpy can read, a torch tensor, or lists of numbers or of either.
        what: they are, for messages.

    Raises:
        InputError: masked entries (numpy would take what lies under the mask), a tensor without values, rows of several
            lengths.
    """
    if _is_tensor(values):
        values = _from_torch(values, what)
    elif isinstance(values, (list, tuple)) and any(map(_is_tensor_type, _kinds(values))):
        values = [_from_torch(part, what) if _is_tensor(part) else part for part in values]
    refuse_masked(values, what)
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        cause = " ".join(str(error).split())[:200]
        raise InputError(f"{what}: no array can be made of them ({cause}). Give numbers, each row as many.") from error


def plain_labels(values: Any, what: str = "groups") -> list[Hashable]:
    """Labels that are equal where they say the same: those of an array or a tensor as Python's own.

    Raises:
        InputError: masked or missing labels (NaN is like no other, so each such row would be a group of its own), what
            has no order (a mapping, a set), a single text.
    """
    if isinstance(values, (str, bytes, Mapping, Set)):
        raise InputError(f"{what} as a {type(values).__name__}: give one label for each row, in the order of the rows.")
    refuse_masked(values, what)
    if _is_tensor(values):
        values = _from_torch(values, what)
    listed = next((getattr(values, name)() for name in ("tolist", "to_pylist") if hasattr(values, name)), None)
    given = values if listed is None else listed
    if not isinstance(given, Iterable):
        raise InputError(f"{what}={values!r}: give one label for each row, in the order of the rows.")
    labels = _plain_each(given)
    kinds = _kinds(labels)
    if kinds <= _LIKE_THEMSELVES:
        return labels
    unhashable = {kind for kind in kinds if not issubclass(kind, Hashable)}
    for row, label in enumerate(labels):
        if type(label) in unhashable or (label == label) is not True:  # NaN does not
            raise InputError(
                f"{what}: the label {label!r} of row {row} cannot tell groups apart. Give text or numbers."
            )
    return labels


def refuse_masked(values: Any, what: str = "features") -> None:
    """Refuse masked entries, also of rows that are masked arrays in a list: numpy would take what lies under the mask.

    An array of which nothing is masked is as good as any.
    """
    parts = values if isinstance(values, (list, tuple)) else [values]
    masked = tuple(kind for kind in _kinds(parts) if issubclass(kind, np.ma.MaskedArray))
    if masked and any(isinstance(part, masked) and np.ma.is_masked(part) for part in parts):
        raise InputError(f"{what} with masked entries: every one counts. Fill them, or leave such rows out.")


def _plain_each(labels: Iterable[Any]) -> list[Any]:
    given = list(labels)
    ways = {kind: way for kind in _kinds(given) if (way := _way_to_plain(kind)) is not None}
    return [ways[type(label)](label) if type(label) in ways else label for label in given] if ways else given


def _way_to_plain(kind: type) -> Any:
    return next(
        (getattr(kind, name) for name in ("tolist", "as_py") if hasattr(kind, name)), None
    )  # numpy, torch; Arrow


def _kinds(values: Iterable[Any]) -> set[type]:
    """What is asked of a type is asked once, not of each of millions of values."""
    return set(map(type, values))


def _is_tensor(values: Any) -> bool:
    return _is_tensor_type(type(values))


def _is_tensor_type(kind: type) -> bool:
    torch = sys.modules.get("torch")  # who has a tensor has imported it
    return torch is not None and issubclass(kind, torch.Tensor)


def _from_torch(tensor: Any, what: str) -> NDArray[Any]:
    """A tensor's values on the host; kinds of floats that numpy lacks (bfloat16, float8) become float32."""
    if str(tensor.layout) != "torch.strided" or tensor.is_meta or tensor.is_quantized:
        kind = "without values" if tensor.is_meta else f"with layout {tensor.layout}"
        kind = "of a quantised type" if tensor.is_quantized else kind
        remedy = "give an ordinary one (.to_dense(), .dequantize(), or load its values)"
        raise InputError(f"{what} as a tensor {kind}: {remedy}.")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    lacking = tensor.is_floating_point() and str(tensor.dtype) not in _NUMPY_FLOATS
    array: NDArray[Any] = (tensor.float() if lacking else tensor).numpy()
    return array
