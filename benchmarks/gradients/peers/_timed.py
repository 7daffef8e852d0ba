"""What every runner shares: the model with its adapter, the batches, the clock, and a JSON file out.

A runner is run by its own interpreter: `python RUNNER folder out.json`. The folder holds `model/` (a transformers
directory), `rows.npz` (padded batches) and `adapter.npz` (the A of each layer; B is zero). Loading and drawing of
operators are outside the clock: each variant sees the smallest batch once before it is timed. The plain pass is timed
in turn with the variant, batch by batch in the same process, so that other work on the machine meets both alike; what
is compared between libraries is the time over that of the plain pass beside it. Processor time is taken beside wall
time: on one thread it is what the wall would show on a quiet machine.
"""

import argparse
import json
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows padded on the right: int64 ``[b, tokens]`` ids, and labels that are −100 where nothing is learnt."""

    input_ids: Tensor
    labels: Tensor


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to use a library.

    Attributes:
        name: short.
        what: whose gradients, and how they are shortened.
        numbers: length of a row's feature.
        run: does the work for a batch and returns the squared norm of each row's gradient, or None where the
            variant shortens them.
    """

    name: str
    what: str
    numbers: int
    run: Callable[[Batch], Tensor | None]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a runner is given."""

    folder: Path
    batches: list[Batch]
    dim: int

    def base_model(self) -> nn.Module:
        """The plain model, frozen, in evaluation mode."""
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(self.folder / "model", dtype=torch.float32)
        return model.eval().requires_grad_(False)

    def lora_model(self, attention: str = "sdpa") -> nn.Module:
        """The PEFT model with the given A and B = 0; the B halves alone require gradients."""
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        with np.load(self.folder / "adapter.npz") as stored:
            initial = {name: torch.from_numpy(stored[name]) for name in stored.files}
        scale = json.loads((self.folder / "setting.json").read_text())["scale"]
        base = AutoModelForCausalLM.from_pretrained(
            self.folder / "model", dtype=torch.float32, attn_implementation=attention
        )
        rank = len(next(iter(initial.values())))
        config = LoraConfig(r=rank, lora_alpha=scale * rank, lora_dropout=0.0, target_modules=list(initial))
        model = get_peft_model(base, config)
        for name, a in initial.items():
            model.get_submodule(f"base_model.model.{name}").lora_A["default"].weight.data.copy_(a)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(".lora_B." in name)
        return model.eval()


def b_halves(model: nn.Module) -> list[str]:
    """Names of the modules whose weight is a B."""
    return [name for name, _ in model.named_modules() if name.endswith(".lora_B.default")]


def row_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over each row's supervised tokens, ``[b]``, from all logits ``[b, tokens, vocabulary]``."""
    targets = labels[:, 1:]
    losses = functional.cross_entropy(logits[:, :-1].transpose(1, 2), targets, reduction="none", ignore_index=-100)
    return losses.sum(1) / (targets != -100).sum(1)


def plain_pass(model: nn.Module, batch: Batch) -> None:
    """The yardstick: frozen weights, a forward and backward pass with all logits, down to the embeddings."""
    embedded = model.get_input_embeddings()(batch.input_ids).detach().requires_grad_()
    row_losses(model(inputs_embeds=embedded, use_cache=False).logits, batch.labels).sum().backward()


def run(variants: Callable[[Setting], Iterator[Variant]]) -> None:
    """Time each variant over all batches and write what came out; one that fails is reported with its error."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--variants", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    setting = _setting(arguments.folder)
    records: list[dict[str, Any]] = []
    base = setting.base_model()
    for variant in variants(setting):
        if arguments.variants and variant.name not in arguments.variants:
            continue
        record: dict[str, Any] = {"variant": variant.name, "what": variant.what, "numbers": variant.numbers}
        try:
            record |= _timed(variant, base, setting.batches, arguments.repeats)
        except Exception as error:  # a peer may fail in any way: the report says how
            record["error"] = f"{type(error).__name__}: {error}"[:500]
            traceback.print_exc()
        records.append(record)
        arguments.out.write_text(json.dumps({"torch": torch.__version__, "records": records}))


def _setting(folder: Path) -> Setting:
    described = json.loads((folder / "setting.json").read_text())
    with np.load(folder / "rows.npz") as rows:
        batches = [
            Batch(input_ids=torch.from_numpy(rows[f"ids_{i}"]), labels=torch.from_numpy(rows[f"labels_{i}"]))
            for i in range(described["batches"])
        ]
    return Setting(folder=folder, batches=batches, dim=described["dim"])


def _timed(variant: Variant, base: nn.Module, batches: list[Batch], repeats: int) -> dict[str, Any]:
    smallest = min(batches, key=lambda b: b.input_ids.numel())
    plain_pass(base, smallest)
    variant.run(smallest)
    record: dict[str, list[float]] = {"seconds": [], "cpu_seconds": [], "plain_seconds": [], "plain_cpu_seconds": []}
    squares: list[Tensor | None] = []
    for _ in range(repeats):
        sums = dict.fromkeys(record, 0.0)
        squares = []
        for batch in batches:
            for prefix, work in (("plain_", partial(plain_pass, base)), ("", variant.run)):
                started, busy = time.perf_counter(), time.process_time()
                found = work(batch)
                sums[f"{prefix}seconds"] += time.perf_counter() - started
                sums[f"{prefix}cpu_seconds"] += time.process_time() - busy
            squares.append(found)
        for key, total in sums.items():
            record[key].append(total)
    known = [s for s in squares if s is not None]
    norms = torch.cat(known).sqrt().tolist() if len(known) == len(batches) else None
    return {**record, "norms": norms}
