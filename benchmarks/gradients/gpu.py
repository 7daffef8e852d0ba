"""One call that measures the engine on a GPU: rows a second, utilisation, the ratios, memory, and the selector.

Models are Llama-shaped with random weights: speed does not depend on what they hold, and nothing is downloaded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import nn

from spice_select.data.records import Example
from spice_select.models.layers import linear_layers, output_head
from spice_select.selection import Conflict, greedy
from spice_select.sketch import SparseJL

from .rows import generated_rows
from .speed import measure_speed
from .subjects import subjects

PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "A10G": 125.0, "L4": 121.0}
"""Dense bfloat16 peaks by the word in the device's name, as their maker states them."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model and how much is run through it."""

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    rows: int
    max_tokens: int
    token_budget: int

    def model(self, device: str, dtype: torch.dtype) -> nn.Module:
        """Random weights, made on the device, frozen."""
        from transformers import AutoModelForCausalLM, LlamaConfig

        config = LlamaConfig(
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            vocab_size=self.vocabulary,
            max_position_embeddings=4096,
            use_cache=False,
        )
        torch.manual_seed(0)
        with torch.device(device):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
        return model.eval().requires_grad_(False)


_HALF = {"hidden": 1024, "intermediate": 4864, "layers": 24, "heads": 16, "kv_heads": 8, "vocabulary": 32000}
_SEVEN = {"hidden": 4096, "intermediate": 11008, "layers": 32, "heads": 32, "kv_heads": 32, "vocabulary": 32000}
_TOY = {"hidden": 32, "intermediate": 64, "layers": 2, "heads": 2, "kv_heads": 1, "vocabulary": 128}
SHAPES = (
    Shape(name="0.5B", rows=512, max_tokens=1024, token_budget=16384, **_HALF),
    Shape(name="7B", rows=128, max_tokens=1024, token_budget=8192, **_SEVEN),
)
TINY = (Shape(name="tiny", rows=6, max_tokens=48, token_budget=128, **_TOY),)
_SUBJECTS = ("plain", "engine", "loop", "last-layer", "last-4-blocks")


def measure_gpu(*, tiny: bool, dim: int, repeats: int, show: Callable[[object], None]) -> dict[str, Any]:
    """Every figure in one report. `tiny` runs the same code with a toy model, on whatever device there is.

    Raises:
        SystemExit: no GPU, and not `tiny`.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not tiny:
        raise SystemExit("no GPU here: nothing measured. --tiny runs the same code on a processor, to test it")
    report: dict[str, Any] = {"device": torch.cuda.get_device_name() if device == "cuda" else "processor", "models": []}
    for shape in TINY if tiny else SHAPES:
        record = measure_shape(shape, device, dim, repeats)
        show(record)
        report["models"].append(record)
        if device == "cuda":
            torch.cuda.empty_cache()
    report["selector"] = list(_selector(device, tiny))
    show(report["selector"])
    return report


def measure_shape(shape: Shape, device: str, dim: int, repeats: int) -> dict[str, Any]:
    """Speed, utilisation and peak memory for one model."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = shape.model(device, dtype)
    rows = generated_rows(shape.vocabulary, shape.rows, shape.max_tokens)
    names = _SUBJECTS if shape.layers >= 4 else _SUBJECTS[:-1]
    speed = measure_speed(model, rows, token_budget=shape.token_budget, dim=dim, repeats=repeats, names=names)
    seconds = speed["seconds"]["wall"]["engine"]
    flops = engine_flops(model, rows, shape)
    peak = peak_tflops()
    return {
        "model": shape.name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "dtype": str(dtype),
        "rows_per_second": len(rows) / seconds,
        "tokens_per_second": speed["tokens"] / seconds,
        "tflops": flops / seconds / 1e12,
        "utilisation": flops / seconds / 1e12 / peak if peak else None,
        "speed": speed,
        "peak_mib": _peaks(model, rows, shape, dim, names) if device == "cuda" else None,
    }


def engine_flops(model: nn.Module, rows: Sequence[Example], shape: Shape) -> float:
    """Multiplications and additions that the model itself needs for a frozen forward and backward pass, no padding.

    Two passes of 2·parameters a token through the linear layers, the head at supervised positions alone, and causal
    attention's two products forward and four backward. Adapter, sketch and all elementwise work count for nothing.
    """
    tokens = sum(e.num_tokens for e in rows)
    inner = sum(layer.d_in * layer.d_out for layer in linear_layers(model))
    head = output_head(model)
    linear = 4.0 * (inner * tokens + head.d_in * head.d_out * sum(e.num_supervised for e in rows))
    squares = sum(e.num_tokens**2 for e in rows) / 2
    return linear + 6 * 2.0 * squares * shape.hidden * shape.layers


def peak_tflops() -> float | None:
    """The device's dense bfloat16 peak; None where it is not in the table."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    found = [peak for word, peak in PEAK_TFLOPS.items() if word in name.replace("-", " ").split()]
    return found[0] if found else None


def _peaks(model: nn.Module, rows: Sequence[Example], shape: Shape, dim: int, names: Sequence[str]) -> dict[str, float]:
    """MiB above the model for one batch of the longest rows that fill the budget."""
    longest = sorted(rows, key=lambda e: -e.num_tokens)
    batch = longest[: max(1, shape.token_budget // longest[0].num_tokens)]
    tried, peaks = subjects(dim, SparseJL(dim)), {}
    for name in names:
        tried[name](model, batch[:1])
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        tried[name](model, batch)
        torch.cuda.synchronize()
        peaks[name] = (torch.cuda.max_memory_allocated() - before) / 2**20
    return peaks


def _selector(device: str, tiny: bool) -> Any:
    """Seconds to choose a tenth of random unit-norm features, with the conflict penalty."""
    sizes = ((64, 16),) if tiny else ((10_000, 4096), (20_000, 4096), (50_000, 4096))
    generator = torch.Generator(device=device).manual_seed(0)
    for n, d in sizes:
        features = nn.functional.normalize(torch.randn(n, d, generator=generator, device=device), dim=1)
        start = perf_counter()
        greedy(features, n // 10, penalty=Conflict(0.1))
        yield {"rows": n, "dim": d, "picks": n // 10, "seconds": perf_counter() - start}
