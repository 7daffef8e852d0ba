"""dattri: the hook manager and compressors of its LoGra attributor."""

import math
import os
from collections.abc import Iterator

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # its compressors are compiled once for each layer and shape

from _timed import Batch, Setting, Variant, b_halves, row_losses, run
from dattri.algorithm.block_projected_if.core.compressor import setup_model_compressors
from dattri.algorithm.block_projected_if.core.hook import HookManager
from torch import Tensor, nn


def compressed(model: nn.Module, names: list[str], side: int, what: str, name: str, sample: Batch) -> Variant:
    """Each layer's gradient under two normal projections, as `LoGraAttributor` sets them up. Base weights are frozen
    and the embeddings' output requires gradients: left to itself it would form the other weights' gradients."""
    model.requires_grad_(False)
    model.enable_input_require_grads()
    compressors = setup_model_compressors(
        model,
        names,
        {"device": "cpu", "proj_dim": side, "proj_max_batch_size": 64, "proj_type": "normal"},
        {"device": "cpu", "proj_dim": -1, "proj_max_batch_size": 64, "proj_type": "identity"},
        {"input_ids": sample.input_ids},
        "cpu",
    )
    manager = HookManager(model, names)
    manager.set_compressors(compressors)

    def work(batch: Batch) -> Tensor | None:
        row_losses(model(input_ids=batch.input_ids, use_cache=False).logits, batch.labels).sum().backward()
        if any(part is None for part in manager.get_compressed_grads()):
            raise RuntimeError("a layer's gradient was not caught")
        return None

    return Variant(name=name, what=what, numbers=side * side * len(names), run=work)


def variants(setting: Setting) -> Iterator[Variant]:
    sample = setting.batches[-1]
    model = setting.base_model()
    head = model.get_output_embeddings()
    layers = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and m is not head]
    side = max(1, math.isqrt(setting.dim // len(layers)))
    what = f"two-sided normal projection of each layer to {side}×{side}; all logits; not compiled"
    yield compressed(model, layers, side, f"weights of the same linear layers; {what}", f"weights-{side}", sample)
    lora = setting.lora_model()
    yield compressed(lora, b_halves(lora), side, f"B of the same LoRA; {what}", f"lora-b-{side}", sample)


if __name__ == "__main__":
    run(variants)
