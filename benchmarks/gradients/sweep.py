"""Fidelity against sketch size, and the gradient's norm against the response's length, on the same rows."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.gradients import HookEngine, LoraGradients
from spice_select.gradients.fidelity import compare_grams, gram
from spice_select.selection import greedy
from spice_select.sketch import Block, Identity, Rademacher, Sketch, SparseJL

DIMENSIONS = (512, 1024, 2048, 4096, 8192)


def exact_gradients(model: nn.Module, examples: Sequence[Example], token_budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Unsketched LoRA gradients of the token-mean loss, float32 ``[rows, parameters]``, and their norms."""
    engine = HookEngine(LoraGradients(), Identity())
    features = np.empty((len(examples), engine.dim(model)), dtype=np.float32)
    norms = np.empty(len(examples))
    for batch in plan_batches([e.num_tokens for e in examples], token_budget=token_budget):
        result = engine.features(model, [examples[i] for i in batch])
        features[batch], norms[batch] = result.features, result.norms
    return features, norms


def sweep(model: nn.Module, exact: np.ndarray, seeds: int, dense_dimensions: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One record for each sketch and dimension: fidelity averaged over seeds, and the overlap of the picks."""
    true, blocks = gram(exact), LoraGradients().coverage(model).blocks
    picks = _picks(true)
    for sketches in _families(seeds, dense_dimensions):
        records, overlaps, start = [], [], perf_counter()
        for sketch in sketches:
            estimate = gram(_sketched(exact, blocks, sketch))
            records.append(compare_grams(true, estimate, sketch=sketch.name, dim=getattr(sketch, "dim", 0)))
            overlaps.append(len(picks & _picks(estimate)) / len(picks))
        numbers = [{k: v for k, v in asdict(r).items() if isinstance(v, float)} for r in records]
        yield {
            "sketch": records[0].sketch,
            "dim": records[0].dim,
            "seeds": len(records),
            **{key: float(np.mean([n[key] for n in numbers])) for key in numbers[0]},
            "overlap_of_tenth": float(np.mean(overlaps)),
            "seconds_per_row": (perf_counter() - start) / len(records) / len(exact),
            "warnings": sum(bool(r.warning) for r in records),
        }


def length_bias(examples: Sequence[Example], mean_norms: np.ndarray) -> dict[str, float]:
    """Correlation of log norm and log response length under three losses; a row's sum gradient is n × its mean's."""
    lengths = np.array([e.num_supervised for e in examples], dtype=float)
    logs = np.log(lengths)
    return {
        "rows": len(examples),
        "median_supervised_tokens": float(np.median(lengths)),
        "token_mean_correlation": float(np.corrcoef(logs, np.log(mean_norms))[0, 1]),
        "token_mean_slope": float(np.polyfit(logs, np.log(mean_norms), 1)[0]),
        "token_sum_correlation": float(np.corrcoef(logs, np.log(mean_norms * lengths))[0, 1]),
        "token_sum_slope": float(np.polyfit(logs, np.log(mean_norms * lengths), 1)[0]),
        "unit_norm_correlation": 0.0,
        "token_mean_norm_p10": float(np.quantile(mean_norms, 0.1)),
        "token_mean_norm_median": float(np.median(mean_norms)),
        "token_mean_norm_p90": float(np.quantile(mean_norms, 0.9)),
    }


def _families(seeds: int, dense_dimensions: Sequence[int]) -> Iterator[list[Sketch]]:
    for dim in DIMENSIONS:
        yield [SparseJL(dim, seed=seed) for seed in range(seeds)]
        yield [SparseJL(dim, nonzeros=2, seed=seed) for seed in range(seeds)]
    for dim in dense_dimensions:
        yield [Rademacher(dim)]


def _sketched(exact: np.ndarray, blocks: Sequence[Block], sketch: Sketch) -> np.ndarray:
    projection = sketch.bind(blocks)
    features = torch.zeros(len(exact), projection.dim)
    start = 0
    for block in blocks:
        values = torch.from_numpy(exact[:, start : start + block.size]).contiguous()
        projection.add(features, block, values.view(len(exact), *block.shape))
        start += block.size
    return features.numpy()


def _picks(inner: np.ndarray) -> set[int]:
    """The tenth that log det picks from unit-norm features with this Gram matrix (α = 1, default penalty)."""
    norms = np.sqrt(np.diag(inner))
    values, vectors = np.linalg.eigh(inner / np.outer(norms, norms))
    factor = vectors * np.sqrt(np.maximum(values, 0))
    return set(greedy(factor, max(1, len(inner) // 10)).indices.tolist())
