"""One call that measures the engine on a GPU: rows a second, utilisation, the ratios, memory, and the selector.

Models are shaped like Qwen2.5's, with random weights: speed does not hang on what they hold, and none are downloaded.
What no longer fits into the time that was given is left out and named.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.autograd import DeviceType

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.models.layers import linear_layers, output_head
from spice_select.models.load import without_plans
from spice_select.selection import greedy
from spice_select.selection.paths.blocked.on_device import blocked_on
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
    tied: bool
    rows: int
    ratio_rows: int
    """Rows that all subjects take turns on: the one-row loop is slow."""
    max_tokens: int
    token_budget: int
    budgets: tuple[int, ...]
    """Tokens in a batch at which the engine by itself is measured, on all rows."""
    needs: float
    """Seconds that must be left for it to begin."""

    def model(self, device: str, dtype: torch.dtype) -> nn.Module:
        """Random weights, made on the device, frozen."""
        from transformers import AutoModelForCausalLM, Qwen2Config

        config = Qwen2Config(
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            vocab_size=self.vocabulary,
            max_position_embeddings=4096,
            tie_word_embeddings=self.tied,
            use_cache=False,
        )
        torch.manual_seed(0)
        without_plans(torch.device(device))
        with torch.device(device):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
        return model.eval().requires_grad_(False)


_HALF = {"hidden": 896, "intermediate": 4864, "layers": 24, "heads": 14, "kv_heads": 2, "vocabulary": 151936}
_SEVEN = {"hidden": 3584, "intermediate": 18944, "layers": 28, "heads": 28, "kv_heads": 4, "vocabulary": 152064}
_ALIKE = {"max_tokens": 1024, "token_budget": 8192}
_TOY = {"hidden": 32, "intermediate": 64, "layers": 2, "heads": 2, "kv_heads": 1, "vocabulary": 128}
SHAPES = (
    Shape(
        name="0.5B",
        tied=True,
        rows=1024,
        ratio_rows=96,
        budgets=(8192, 16384, 32768, 65536),
        needs=45,
        **_ALIKE,
        **_HALF,
    ),
    Shape(name="7B", tied=False, rows=256, ratio_rows=48, budgets=(4096, 8192, 16384), needs=60, **_ALIKE, **_SEVEN),
)
TINY = (
    Shape(name="tiny", tied=True, rows=4, ratio_rows=2, budgets=(64,), max_tokens=32, token_budget=64, needs=0, **_TOY),
)
_SUBJECTS = ("plain", "engine", "loop")
_SELECTIONS = ((10_000, 512, 1_000, 5.0), (1_000_000, 1024, 10_000, 100.0))  # n, d, k and the seconds they need
_TOY_SELECTIONS = ((200, 16, 20, 0.0),)


def measure_gpu(*, tiny: bool, dim: int, repeats: int, limit: float, show: Callable[[object], None]) -> dict[str, Any]:
    """Every figure in one report, within about `limit` seconds. `tiny` runs the same code with a toy model, on whatever
    device there is.

    Raises:
        SystemExit: no GPU, and not `tiny`.
    """
    device, started = "cuda" if torch.cuda.is_available() else "cpu", perf_counter()
    if device == "cpu" and not tiny:
        raise SystemExit("no GPU here: nothing measured. --tiny runs the same code on a processor, to test it")
    report: dict[str, Any] = {"device": torch.cuda.get_device_name() if device == "cuda" else "processor"}
    report |= {"models": [], "selector": [], "left_out": []}

    def fits(what: str, needs: float) -> bool:
        left = limit - (perf_counter() - started)
        if left < needs:
            report["left_out"].append(f"{what}: it wants {needs:.0f} s, and {left:.0f} of {limit:.0f} were left")
        return left >= needs

    for shape in TINY if tiny else SHAPES:
        if fits(shape.name, shape.needs):
            report["models"].append(measure_shape(shape, device, dim, repeats))
            show(report["models"][-1])
        if device == "cuda":
            torch.cuda.empty_cache()
    for n, d, k, needs in _TOY_SELECTIONS if tiny else _SELECTIONS:
        if fits(f"selection ({n:,}, {d:,}, {k:,})", needs):
            report["selector"] += _selections(n, d, k, device, on_processor=n <= 10_000)
            show(report["selector"][-1])
    return report | {"seconds": perf_counter() - started}


def measure_shape(shape: Shape, device: str, dim: int, repeats: int) -> dict[str, Any]:
    """Speed, utilisation and peak memory for one model."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model = shape.model(device, dtype)
    rows = generated_rows(shape.vocabulary, shape.rows, shape.max_tokens)
    few = rows[: shape.ratio_rows]
    speed = measure_speed(model, few, token_budget=shape.token_budget, dim=dim, repeats=repeats, names=_SUBJECTS)
    if device == "cuda":
        del speed["sketch_share"]  # the processor's clock, which does not wait for a card: see `where`
    alone = [_engine_alone(model, rows, shape, dim, budget, repeats) for budget in shape.budgets]
    return {
        "model": shape.name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "dtype": str(dtype),
        **max(alone, key=lambda record: record["tokens_per_second"]),
        "by_budget": alone,
        "speed": speed,
        "peak_mib": _peaks(model, rows, shape, dim, _SUBJECTS) if device == "cuda" else None,
        "where": _where(model, rows, shape, dim),
    }


def _engine_alone(
    model: nn.Module, rows: Sequence[Example], shape: Shape, dim: int, budget: int, repeats: int
) -> dict[str, Any]:
    """What the engine reaches with so many tokens in a batch: the best of the repeats."""
    engine = subjects(dim, SparseJL(dim))["engine"]
    batches = [[rows[i] for i in batch] for batch in plan_batches([e.num_tokens for e in rows], token_budget=budget)]
    engine(model, batches[0])
    seconds = min(_timed(lambda: [engine(model, batch) for batch in batches]) for _ in range(repeats))
    tokens, flops, peak = sum(e.num_tokens for e in rows), engine_flops(model, rows, shape), peak_tflops()
    return {
        "token_budget": budget,
        "rows_per_second": len(rows) / seconds,
        "tokens_per_second": tokens / seconds,
        "tflops": flops / seconds / 1e12,
        "utilisation": flops / seconds / 1e12 / peak if peak else None,
    }


def _timed(work: Callable[[], object]) -> float:
    """Seconds on the wall until the device has done the work too."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    start = perf_counter()
    work()
    wait()
    return perf_counter() - start


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


def _longest(rows: Sequence[Example], budget: int) -> list[Example]:
    """The longest rows that fill the budget."""
    longest = sorted(rows, key=lambda e: -e.num_tokens)
    return longest[: max(1, budget // longest[0].num_tokens)]


def _where(model: nn.Module, rows: Sequence[Example], shape: Shape, dim: int) -> list[tuple[str, float]]:
    """The share of a batch's time in which the device works at all, and the operations that most of that goes to."""
    batch, engine = _longest(rows, max(shape.budgets)), subjects(dim, SparseJL(dim))["engine"]
    engine(model, batch)
    wall = _timed(lambda: engine(model, batch))
    on_card = next(model.parameters()).is_cuda
    kinds = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if on_card else [])]
    with torch.profiler.profile(activities=kinds) as profile:
        engine(model, batch)
        if on_card:
            torch.cuda.synchronize()
    clock = "self_device_time_total" if on_card else "self_cpu_time_total"
    events = [event for event in profile.key_averages() if not on_card or event.device_type != DeviceType.CPU]
    spent = sorted(((event.key, float(getattr(event, clock))) for event in events), key=lambda e: -e[1])
    total = sum(seconds for _, seconds in spent) or 1.0
    return [("of the batch's time, in which the device works", total / 1e6 / wall)] + [
        (name[:100], seconds / total) for name, seconds in spent[:16]
    ]


def _peaks(model: nn.Module, rows: Sequence[Example], shape: Shape, dim: int, names: Sequence[str]) -> dict[str, float]:
    """MiB above the model for one batch of the longest rows that fill the budget."""
    batch, tried, peaks = _longest(rows, shape.token_budget), subjects(dim, SparseJL(dim)), {}
    for name in names:
        tried[name](model, batch[:1])
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        tried[name](model, batch)
        torch.cuda.synchronize()
        peaks[name] = (torch.cuda.max_memory_allocated() - before) / 2**20
    return peaks


def _selections(n: int, d: int, k: int, device: str, *, on_processor: bool) -> list[dict[str, Any]]:
    """Seconds to choose k clustered unit rows, products on the device; and by the processor alone, to compare."""
    features = _clustered(n, d, device)
    found, records = [], []
    for on, path in [(device, blocked_on(device)), *([("processor", None)] if on_processor else [])]:
        start = perf_counter()
        found.append(greedy(features, k, path=path).indices)
        record = {"rows": n, "dim": d, "picks": k, "on": on, "seconds": perf_counter() - start}
        records.append(record | {"same": bool((found[0] == found[-1]).all()) if len(found) > 1 else None})
    return records


def _clustered(n: int, d: int, device: str) -> np.ndarray:
    """Float32 rows of length one in 50 clusters, coordinate variances ∝ 1/j, drawn on the device a tile at a time."""
    draw, rows = torch.Generator(device=device).manual_seed(0), np.empty((n, d), dtype=np.float32)
    scale = torch.arange(1, d + 1, device=device) ** -0.5
    centres = torch.randn(50, d, generator=draw, device=device)
    for start in range(0, n, 65536):
        count = min(65536, n - start)
        own = torch.randint(50, (count,), generator=draw, device=device)
        tile = (torch.randn(count, d, generator=draw, device=device) + centres[own]) * scale
        rows[start : start + count] = nn.functional.normalize(tile, dim=1).cpu().numpy()
    return rows
