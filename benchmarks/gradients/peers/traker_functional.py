"""traker: its functional gradient computer (vmap of grad) and, for one small batch, its projector for processors."""

from collections.abc import Iterator

import torch
from _timed import Batch, Setting, Variant, row_losses, run
from torch import Tensor
from trak.gradient_computers import FunctionalGradientComputer
from trak.modelout_functions import AbstractModelOutput


class RowLoss(AbstractModelOutput):
    """The loss of one row, as traker asks for it."""

    def __init__(self) -> None:
        super().__init__()

    @staticmethod
    def get_output(model, weights, buffers, input_ids: Tensor, labels: Tensor) -> Tensor:
        arguments = {"input_ids": input_ids[None], "use_cache": False}
        logits = torch.func.functional_call(model, (weights, buffers), (), arguments).logits
        return row_losses(logits, labels[None])[0]

    def get_out_to_loss_grad(self, model, weights, buffers, batch) -> Tensor:
        raise NotImplementedError


def variants(setting: Setting) -> Iterator[Variant]:
    model = setting.lora_model("eager")
    computer = FunctionalGradientComputer(model, RowLoss(), 0, torch.float32, torch.device("cpu"))
    # As shipped it differentiates every parameter, half a gigabyte a row here, and drops those not asked for.
    computer.func_weights = {n: p for n, p in model.named_parameters() if ".lora_B." in n}
    computer.func_buffers = {n: p for n, p in model.named_parameters() if ".lora_B." not in n} | dict(
        model.named_buffers()
    )

    def work(batch: Batch) -> Tensor:
        gradients = computer.compute_per_sample_grad((batch.input_ids, batch.labels))
        return sum(g.double().square().flatten(1).sum(1) for g in gradients.values())

    yield Variant(
        name="lora-b-exact",
        what="B of the same LoRA; not shortened; all logits; eager attention; only the B halves differentiated",
        numbers=sum(p.numel() for p in computer.func_weights.values()),
        run=work,
    )


if __name__ == "__main__":
    run(variants)
