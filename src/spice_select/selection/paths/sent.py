"""Arrays on their way to a torch device and back."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


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
