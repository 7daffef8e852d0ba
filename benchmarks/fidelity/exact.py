"""Whole gradients of a probe, computed once and kept in a file outside the repository: they are the dear part."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.gradients import HookEngine, LoraGradients
from spice_select.sketch import Identity


def exact_gradients(model: nn.Module, examples: Sequence[Example], token_budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Unsketched LoRA gradients of the token-mean loss, float32 ``[rows, parameters]``, and their norms."""
    engine = HookEngine(LoraGradients(), Identity())
    features = np.empty((len(examples), engine.dim(model)), dtype=np.float32)
    norms = np.empty(len(examples))
    for batch in plan_batches([e.num_tokens for e in examples], token_budget=token_budget):
        result = engine.features(model, [examples[i] for i in batch])
        features[batch], norms[batch] = result.features, result.norms
    return features, norms


def kept_gradients(
    folder: Path, label: str, model: nn.Module, examples: Sequence[Example], token_budget: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same, read from `folder` where an earlier call with this label and these rows left them."""
    digest = hashlib.sha256(label.encode())
    for example in examples:
        digest.update(example.input_ids.tobytes() + example.supervised.tobytes())
    stem = folder / f"exact-{digest.hexdigest()[:16]}"
    stored, norms = stem.with_suffix(".npy"), stem.with_suffix(".norms.npy")
    if not (stored.exists() and norms.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        found = exact_gradients(model, examples, token_budget)
        np.save(stored, found[0])
        np.save(norms, found[1])
    return np.load(stored, mmap_mode="r"), np.load(norms)
