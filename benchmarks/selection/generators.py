"""The kinds of feature matrix the timings are taken on: float32 of mean squared norm 10 but for the last; seeded.

`iso`    rows N(0, I);
`aniso`  50 clusters: a centre and a deviation, each N(0, diag(1/j)) over the coordinates j = 1..d;
`heavy`  directions of `aniso`, norms lognormal(0, 1): the shape that gradients of language models resemble most;
`unit`   directions of `aniso`, each of length one, float64: what `spice select` hands to the selector by default.
"""

from pathlib import Path

import numpy as np

KINDS = ("iso", "aniso", "heavy", "unit")
CLUSTERS = 50
MEAN_SQUARED_NORM = 10.0
TILE = 8192


def features(kind: str, n: int, d: int, seed: int = 0) -> np.ndarray:
    """[n, d]; the same (kind, n, d, seed) gives the same bytes. Raises ValueError on an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    rng = np.random.default_rng((seed, KINDS.index(kind), n, d))
    scale = np.ones(d) if kind == "iso" else 1 / np.sqrt(np.arange(1, d + 1))
    centres = rng.standard_normal((CLUSTERS, d)) * scale
    matrix = np.empty((n, d), dtype=np.float64 if kind == "unit" else np.float32)
    for start in range(0, n, TILE):
        tile = rng.standard_normal((min(TILE, n - start), d)) * scale
        if kind != "iso":
            tile += centres[rng.integers(CLUSTERS, size=len(tile))]
        if kind == "heavy":
            norms = rng.lognormal(0.0, 1.0, size=len(tile))
            tile *= (norms / np.linalg.norm(tile, axis=1))[:, None]
        if kind == "unit":
            tile /= np.linalg.norm(tile, axis=1)[:, None]
        matrix[start : start + TILE] = tile
    if kind == "unit":
        return matrix
    mean_square = np.einsum("ij,ij->", matrix, matrix, dtype=np.float64) / n
    matrix *= np.float32(np.sqrt(MEAN_SQUARED_NORM / mean_square))
    return matrix


def saved(folder: Path, kind: str, n: int, d: int, seed: int = 0) -> Path:
    """The .npy of that matrix in `folder`, written once: every peer reads the same bytes."""
    path = folder / f"{kind}-{n}x{d}-{seed}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, features(kind, n, d, seed))
        part.rename(path)
    return path
