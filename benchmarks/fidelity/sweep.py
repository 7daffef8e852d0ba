"""Many sketches of the same whole gradients: errors of inner products, signs, and of what is selected."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spice_select.gradients.fidelity import compare_grams, inner_products
from spice_select.selection import Conflict, greedy
from spice_select.sketch import Kronecker, ParameterBlock, Rademacher, Sketch, SparseJL

BUDGETS = (0.1, 0.2, 0.3)
PENALTY = 0.1


@dataclass(frozen=True, kw_only=True)
class Family:
    """Sketches of one kind and length that differ in their seed."""

    kind: str
    dim: int
    sketches: tuple[Sketch, ...]


def families(dimensions: Sequence[int], seeds: int, dense: Sequence[int], side: int = 32) -> Iterator[Family]:
    """Sparse with one and two nonzeros and two-sided at every length, dense Rademacher where asked for (it is slow)."""
    numbers = range(seeds)
    for dim in dimensions:
        yield Family(kind="sparse-jl", dim=dim, sketches=tuple(SparseJL(dim, seed=s) for s in numbers))
        yield Family(kind="sparse-jl-c2", dim=dim, sketches=tuple(SparseJL(dim, nonzeros=2, seed=s) for s in numbers))
        yield Family(kind=f"kronecker-p{side}", dim=dim, sketches=tuple(Kronecker(dim, side, seed=s) for s in numbers))
    for dim in dense:
        yield Family(kind="rademacher", dim=dim, sketches=(Rademacher(dim),))


def sweep(
    exact: NDArray[np.float32], blocks: Sequence[ParameterBlock], tried: Iterator[Family]
) -> Iterator[dict[str, Any]]:
    """One record for each family, means over its seeds; first one for picks made blindly, with kind ``random``.

    `overlap` holds, for raw and unit norms and each budget, the share of the exact gradients' picks that the sketch
    picks too; `retained` the exact information (log det) of the sketch's picks over that of the exact ones.
    """
    true = inner_products(exact)
    wanted = picks(true)
    yield blind(true, wanted)
    for family in tried:
        start, records, overlaps, retained = perf_counter(), [], [], []
        for sketch in family.sketches:
            estimate = inner_products(sketched(exact, blocks, sketch))
            records.append(compare_grams(true, estimate, sketch=sketch.name, dim=family.dim))
            found = picks(estimate)
            overlaps.append({key: len(wanted[key] & found[key]) / len(wanted[key]) for key in wanted})
            retained.append(retained_information(true, wanted, found))
        numbers = [{k: v for k, v in asdict(r).items() if isinstance(v, float)} for r in records]
        yield {
            "kind": family.kind,
            "dim": family.dim,
            "seeds": len(records),
            **{key: float(np.mean([n[key] for n in numbers])) for key in numbers[0]},
            "overlap": {key: float(np.mean([o[key] for o in overlaps])) for key in wanted},
            "retained": {key: float(np.mean([r[key] for r in retained])) for key in wanted},
            "seconds_per_row": (perf_counter() - start) / len(records) / len(exact),
            "warned": sum(bool(r.warning) for r in records),
        }


def sketched(exact: NDArray[np.float32], blocks: Sequence[ParameterBlock], sketch: Sketch) -> NDArray[np.float32]:
    """Features of whole gradients ``[rows, parameters]`` whose columns are the blocks in order."""
    projection = sketch.bind(blocks)
    features = torch.zeros(len(exact), projection.dim)
    start = 0
    for block in blocks:
        values = torch.from_numpy(np.ascontiguousarray(exact[:, start : start + block.size]))
        projection.add(features, block, values.view(len(exact), *block.shape))
        start += block.size
    return features.numpy()


def picks(inner: NDArray[np.float64]) -> dict[str, set[int]]:
    """What log det with the conflict penalty picks (α = 1, λ = 0.1), by norm and budget, from a Gram matrix alone."""
    found = {}
    for label, matrix in _geometries(inner).items():
        values, vectors = np.linalg.eigh(matrix)
        factor = vectors * np.sqrt(np.maximum(values, 0))  # rows with these inner products
        for budget in BUDGETS:
            count = max(1, round(budget * len(inner)))
            chosen = greedy(factor, count, penalty=Conflict(PENALTY)).indices
            found[f"{label} {budget:.0%}"] = set(chosen.tolist())
    return found


def _geometries(inner: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    norms = np.sqrt(np.diag(inner))
    return {"raw": inner, "unit": inner / np.outer(norms, norms)}


def retained_information(
    true: NDArray[np.float64], wanted: dict[str, set[int]], found: dict[str, set[int]]
) -> dict[str, float]:
    """log det(I + G) of the found picks over that of the wanted ones, both by the exact Gram matrix."""
    geometries = _geometries(true)
    shares = {}
    for key in wanted:
        matrix = geometries[key.split()[0]]
        values = [
            np.linalg.slogdet(np.eye(len(s)) + matrix[np.ix_(s, s)])[1] for s in map(sorted, (found[key], wanted[key]))
        ]
        shares[key] = float(values[0] / values[1])
    return shares


def blind(true: NDArray[np.float64], wanted: dict[str, set[int]], draws: int = 200) -> dict[str, Any]:
    """What random picks share with the exact gradients' and retain, on average."""
    rng = np.random.default_rng(0)
    overlaps, retained = [], []
    for _ in range(draws):
        found = {key: set(rng.permutation(len(true))[: len(chosen)].tolist()) for key, chosen in wanted.items()}
        overlaps.append({key: len(wanted[key] & found[key]) / len(wanted[key]) for key in wanted})
        retained.append(retained_information(true, wanted, found))
    return {
        "kind": "random",
        "overlap": {key: float(np.mean([o[key] for o in overlaps])) for key in wanted},
        "retained": {key: float(np.mean([r[key] for r in retained])) for key in wanted},
    }
