"""opacus: the hooks of its `GradSampleModule` on the adapter's B halves. It has no sketch, so nothing is shortened."""

from collections.abc import Iterator

from _timed import Batch, Setting, Variant, row_losses, run
from opacus.grad_sample import GradSampleModule
from torch import Tensor


def variants(setting: Setting) -> Iterator[Variant]:
    model = setting.lora_model().train()  # its hooks catch nothing in evaluation mode; there is no dropout here
    wrapped = GradSampleModule(model, batch_first=True, loss_reduction="sum", strict=False)
    trained = [p for p in wrapped.parameters() if p.requires_grad]

    def work(batch: Batch) -> Tensor:
        row_losses(wrapped(input_ids=batch.input_ids, use_cache=False).logits, batch.labels).sum().backward()
        squares = sum(p.grad_sample.double().square().flatten(1).sum(1) for p in trained)
        wrapped.zero_grad(set_to_none=True)
        return squares

    yield Variant(
        name="lora-b-exact",
        what="B of the same LoRA; not shortened; all logits",
        numbers=sum(p.numel() for p in trained),
        run=work,
    )


if __name__ == "__main__":
    run(variants)
