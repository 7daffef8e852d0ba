"""One interleaved pass against the static extraction of the same rows plus the training steps themselves.

    python -m benchmarks.interleaved [--rows FILE] [--model DIR] [--threads 1] [--out results.json]

Pools are measured in turn, static and interleaved side by side in one process, by processor time: a neighbour that
takes a core away slows both. The static engine runs on the plain model, the interleaved one on a warm LoRA folded into
the weights, folding and unfolding included.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.gradients.rows import generated_rows, real_rows

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.gradients import HookEngine, LoraGradients
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.folding import folded
from spice_select.models.load import load_model, load_tokenizer
from spice_select.models.lora import LoraSpec, attach_lora
from spice_select.schedules.interleaved.steps import ProxyTrainer, StepRecipe
from spice_select.sketch import SparseJL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help="a corpus file; generated rows without")
    parser.add_argument("--model", help="default: the embedded proxy")
    parser.add_argument("--pools", type=int, default=6)
    parser.add_argument("--pool-size", type=int, default=20)
    parser.add_argument("--picks", type=int, default=2)
    parser.add_argument("--update-every", type=int, default=2)
    parser.add_argument("--longest", type=int, default=256)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = {**vars(options), "out": None, **measure(options)}
    options.out.write_text(json.dumps(results, indent=2, default=str) + "\n")
    print(json.dumps({name: results[name] for name in ("gradients_ratio", "whole_ratio")}, indent=2))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of every pool under both, of every step, and the two ratios."""
    plain = load_model(options.model, dtype="float32").model
    moving, spec = load_model(options.model, dtype="float32").model, LoraSpec()
    drawn = {layer.name: initial_a(layer, spec.rank, 0) for layer in spec.layers(moving)}
    steps = -(-options.pools // options.update_every)
    trainer = ProxyTrainer(
        attach_lora(moving, spec, drawn), StepRecipe(), total_steps=steps + 1, batch_tokens=options.batch_tokens
    )
    still, warm = (HookEngine(LoraGradients(spec), SparseJL(4096)) for _ in range(2))
    pools = _pools(options, plain.config.vocab_size)
    trainer.step(pools[0][: options.picks])  # so that B is not zero, and both engines have made their operators
    _features(still, plain, pools[0][:2], options)
    _features(warm, trainer.model, pools[0][:2], options)
    static, interleaved, training, waiting = [], [], [], list[Example]()
    for number, pool in enumerate(pools):
        static.append(_timed(lambda pool=pool: _features(still, plain, pool, options)))
        interleaved.append(_timed(lambda pool=pool: _folded(warm, trainer, pool, options)))
        waiting += pool[: options.picks]
        if (number + 1) % options.update_every == 0:
            training.append(_timed(lambda rows=tuple(waiting): trainer.step(rows)))
            waiting = []
    return {
        "tokens": sum(example.num_tokens for pool in pools for example in pool),
        "static_seconds": static,
        "interleaved_seconds": interleaved,
        "step_seconds": training,
        "gradients_ratio": statistics.median(warm / cold for warm, cold in zip(interleaved, static, strict=True)),
        "whole_ratio": (sum(interleaved) + sum(training)) / (sum(static) + sum(training)),
    }


def _pools(options: argparse.Namespace, vocabulary: int) -> list[list[Example]]:
    count = options.pools * options.pool_size
    if options.rows:
        rows = real_rows(options.rows, load_tokenizer(options.model), count, options.longest)
    else:
        rows = generated_rows(vocabulary, count, options.longest)
    return [rows[start : start + options.pool_size] for start in range(0, count, options.pool_size)]


def _features(engine: HookEngine, model: torch.nn.Module, pool: Sequence[Example], options: argparse.Namespace) -> None:
    plan = plan_batches([example.num_tokens for example in pool], token_budget=options.batch_tokens)
    for batch in plan:
        engine.features(model, [pool[position] for position in batch])


def _folded(engine: HookEngine, trainer: ProxyTrainer, pool: Sequence[Example], options: argparse.Namespace) -> None:
    with folded(trainer.model):
        _features(engine, trainer.model, pool, options)


def _timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
