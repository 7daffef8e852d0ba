"""This library's engine, and its loop over single rows."""

from collections.abc import Iterator

import numpy as np
import torch
from _timed import Batch, Setting, Variant, run
from torch import Tensor

from spice_select.data.records import Example
from spice_select.gradients import HookEngine, LoopEngine, LoraGradients
from spice_select.sketch import SparseJL


def examples(batch: Batch) -> list[Example]:
    """The rows without their padding."""
    rows = []
    for row, (ids, labels) in enumerate(zip(batch.input_ids.numpy(), batch.labels.numpy(), strict=True)):
        length = int(np.flatnonzero(labels != -100)[-1]) + 1
        rows.append(
            Example(
                row=row,
                input_ids=ids[:length].astype(np.int32),
                supervised=labels[:length] != -100,
                source="",
                content_hash="",
            )
        )
    return rows


def variants(setting: Setting) -> Iterator[Variant]:
    model = setting.base_model()
    engine = HookEngine(LoraGradients(), SparseJL(setting.dim))
    loop = LoopEngine(LoraGradients(), SparseJL(setting.dim))

    def hooks(batch: Batch) -> Tensor:
        return torch.from_numpy(engine.features(model, examples(batch)).norms) ** 2

    def single(batch: Batch) -> Tensor:
        return torch.from_numpy(loop.features(model, examples(batch)).norms) ** 2

    sketched = f"B of a LoRA on every linear layer but the head; sparse JL to {setting.dim}"
    yield Variant(name="engine", what=sketched, numbers=setting.dim, run=hooks)
    yield Variant(name="loop", what=f"{sketched}; one row at a time by autograd", numbers=setting.dim, run=single)


if __name__ == "__main__":
    run(variants)
