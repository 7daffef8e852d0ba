"""A finished run's features shortened further: does the choice from a whole corpus stay the same?

Whole gradients of a corpus cannot be kept, but a sketch of a sketch is a sketch. So the features of a run stand in
for the gradients, and shorter sketches of them are judged by what they choose. The run's own error is not seen.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spice_select.gradients.fidelity import inner_products
from spice_select.sketch import ParameterBlock, SparseJL

from .sweep import blind, picks, retained_information


def stability(features: NDArray[np.float32], dimensions: Sequence[int], seeds: int) -> Iterator[dict[str, Any]]:
    """A record for blind picks, then one for each length: see `sweep` for `overlap` and `retained`.

    A length that is the features' own gives the features themselves.
    """
    true = inner_products(features)
    wanted = picks(true)
    yield blind(true, wanted, draws=20)
    for dim in dimensions:
        overlaps, retained, changes = [], [], []
        for seed in range(seeds):
            inner = true if dim == features.shape[1] else inner_products(shortened(features, SparseJL(dim, seed=seed)))
            found = picks(inner)
            overlaps.append({key: len(wanted[key] & found[key]) / len(wanted[key]) for key in wanted})
            retained.append(retained_information(true, wanted, found))
            changes.append(float(np.sqrt(np.mean((_cosines(inner) - _cosines(true)) ** 2))))
        yield {
            "kind": "sparse-jl",
            "dim": dim,
            "seeds": seeds,
            "cosine_change": float(np.mean(changes)),
            "overlap": {key: float(np.mean([o[key] for o in overlaps])) for key in wanted},
            "retained": {key: float(np.mean([r[key] for r in retained])) for key in wanted},
        }


def shortened(features: NDArray[np.float32], sketch: SparseJL) -> NDArray[np.float32]:
    """Another sketch of rows that are sketches already."""
    block = ParameterBlock("features", (features.shape[1], 1))
    out = torch.zeros(len(features), sketch.dim)
    sketch.bind([block]).add(out, block, torch.from_numpy(np.ascontiguousarray(features))[:, :, None])
    return out.numpy()


def _cosines(inner: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.sqrt(np.diag(inner))
    return (inner / np.outer(norms, norms))[np.triu_indices(len(inner), 1)]
