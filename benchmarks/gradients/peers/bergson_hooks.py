"""bergson: its streaming collector's hooks, on the adapter's B halves and on the linear layers themselves."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from _timed import Batch, Setting, Variant, b_halves, row_losses, run
from bergson.collector.gradient_collectors import StreamingGradientCollector
from bergson.gradients import GradientProcessor
from torch import Tensor, nn


def collector(model: nn.Module, targets: set[str], side: int | None) -> Any:
    """Hooks that gather the gradients of the target layers, each projected to side × side where a side is given."""
    processor = GradientProcessor(projection_dim=side, projection_seed=0)
    return StreamingGradientCollector(model=model, target_modules=targets, processor=processor, dtype=torch.float32)


def gathered(model: nn.Module, targets: set[str], side: int | None) -> Variant:
    """A variant over these layers. Weights are frozen and the embeddings' output requires gradients, as bergson's
    worker arranges it, less the gradient of the embedding matrix that it forms and throws away."""
    model.requires_grad_(False)
    model.enable_input_require_grads()
    model.get_input_embeddings().requires_grad_(True)  # it reads its dtype off a trainable parameter
    hooks = collector(model, targets, side)
    model.requires_grad_(False)
    numbers = sum(math.prod(shape) for shape in hooks.shapes().values())

    def work(batch: Batch) -> Tensor | None:
        with hooks.with_batch(batch.labels != -100):
            row_losses(model(input_ids=batch.input_ids, use_cache=False).logits, batch.labels).sum().backward()
        parts = list(hooks.mod_grads.values())
        squares = None if side else sum(part.double().square().sum(1) for part in parts)
        hooks.mod_grads.clear()
        return squares

    which = "B of the same LoRA" if any("lora_B" in t for t in targets) else "weights of the same linear layers"
    shortened = f"two-sided projection of each layer to {side}×{side}" if side else "not shortened"
    short = "lora-b" if "LoRA" in which else "weights"
    return Variant(
        name=f"{short}-{side or 'exact'}", what=f"{which}; {shortened}; all logits", numbers=numbers, run=work
    )


def variants(setting: Setting) -> Iterator[Variant]:
    lora = setting.lora_model()
    names = set(b_halves(lora))
    side = max(1, math.isqrt(setting.dim // len(names)))
    yield gathered(lora, names, None)
    yield gathered(lora, names, side)
    plain = setting.base_model()
    head = plain.get_output_embeddings()
    layers = {n for n, m in plain.named_modules() if isinstance(m, nn.Linear) and m is not head}
    yield gathered(plain, layers, side)


if __name__ == "__main__":
    run(variants)
