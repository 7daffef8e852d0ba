"""Arrays on their way to a torch device and back, and what is said where they do not fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spice_select.errors import InputError
from spice_select.numerics.features import Features


def sent_rows(rows: NDArray[Any], device: torch.device, *, tile: int) -> Tensor:
    """A copy of a matrix there, so many rows at a time: they may be mapped from a file."""
    kind = torch.float32 if rows.dtype == np.float32 else torch.float64
    there = torch.empty(rows.shape, dtype=kind, device=device)
    for start in range(0, len(rows), tile):
        part = np.array(rows[start : start + tile])
        there[start : start + len(part)] = torch.from_numpy(part).to(device)
    return there


def numbers(values: Tensor) -> NDArray[np.float64]:
    """What lies there, as float64 here."""
    return values.cpu().numpy().astype(np.float64, copy=False)


@contextmanager
def fitting(device: str, rows: Features) -> Iterator[None]:
    """Raise InputError where a device runs out of memory while it holds these rows."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        size = rows.n * rows.d * 4 / 1e9
        raise InputError(
            f"{device} ran out of memory with {rows.n:,} rows of {rows.d:,} numbers, {size:.1f} GB in float32, and "
            f"what is made of them ({str(error).splitlines()[0]}). Choose on the CPU, with "
            "--select-device cpu, or take a smaller --sketch-dim."
        ) from error
