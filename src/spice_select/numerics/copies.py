"""Rows that occur more than once: numbers tell most rows apart, a digest the rest."""

from collections import defaultdict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK_ENTRIES = 1 << 18  # entries hashed at a time
_SEED = 20260


def row_hashes(
    array: Any, rows: NDArray[np.int64] | None = None, *, beginning: int | None = None
) -> NDArray[np.uint64]:
    """A number for each row of a float matrix [n, d], or for `rows`: identical rows have the same. One pass.

    Of rows that need only begin alike it is that of their first `beginning` entries.

    A sum of the entries' bits times odd numbers drawn once, modulo 2⁶⁴: different rows all but never share one.
    """
    n, d = len(array) if rows is None else len(rows), min(array.shape[1], beginning or array.shape[1])
    factors = np.random.default_rng(_SEED).integers(0, 2**63, size=d, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    out, step = np.empty(n, dtype=np.uint64), max(1, _CHUNK_ENTRIES // d)
    for start in range(0, n, step):
        here = slice(start, start + step)
        part = array[here if rows is None else rows[here], :d]
        part = np.ascontiguousarray(part + 0.0)  # adding 0 makes −0 equal to 0
        bits = part.view(np.uint32 if part.dtype == np.float32 else np.uint64).astype(np.uint64)
        bits ^= bits >> np.uint64(32)  # the low bits of most float64 are zero
        out[start : start + step] = (bits * factors).sum(axis=1, dtype=np.uint64)
    return out


def sharing(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of them occur more than once."""
    _, group, size = np.unique(hashes, return_inverse=True, return_counts=True)
    return np.asarray(size[group.ravel()] > 1)


def fingerprints(array: Any, rows: NDArray[np.int64]) -> list[bytes]:
    """A digest of 16 bytes of each of the rows."""
    return [blake2b(array[row] + 0.0, digest_size=16).digest() for row in rows.tolist()]


def copies(rows: Iterable[int], prints: Iterable[bytes]) -> dict[int, NDArray[np.int64]]:
    """For each row whose fingerprint occurs more than once: all rows with it, in the order given."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for row, fingerprint in zip(rows, prints, strict=True):
        found[fingerprint].append(row)
    groups = [np.array(same) for same in found.values() if len(same) > 1]
    return {int(row): group for group in groups for row in group}
