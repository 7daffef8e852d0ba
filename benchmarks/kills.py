"""Kill `spice select` with SIGKILL at random moments, resume it, and see whether anything is lost or silently wrong.

python -m benchmarks.kills --kills 100 --out kills.json

A tiny model and a corpus of sums, both made in code. A run is killed at a random moment, started again with the same
command, killed again, until one ends by itself; its features and outputs must then be those of a run that was never
touched, bit for bit. After every kill each part that counts as finished is compared too. Moments are drawn from the
time that a whole run takes and, every other time, from the parts that are still to be written: the gradients of so
small a run are a sliver of its time, which a fast machine may never hit by the clock. Processes are forked from a
server that has imported the package already, so that moments fall into the work and not into the imports.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

OUTPUTS = ("selected.jsonl", "dropped.jsonl", "selection.parquet")
PART_TOKENS = 120
"""Small parts, so that a short run writes many files."""


_PRELOADED = [
    "spice_select.pipeline",
    "spice_select.cli.tables.summary",
    "spice_select.cli.export",
    "tyro.extras",
    "peft",
    "pandas",
    "pyarrow.compute",
    "rich.progress",
    "transformers.modeling_gguf_pytorch_utils",
    "transformers.models.llama.modeling_llama",
    "transformers.models.llama.tokenization_llama",
]


@dataclass(frozen=True)
class Command:
    """A `spice select` to be run in a process of its own.

    Attributes:
        arguments: after `spice`.
        part_tokens: tokens in a part of the gradients.
        prepare: called in that process before the command, to break something.
        page: write the run's page, which takes longer than a small run.
    """

    arguments: tuple[str, ...]
    part_tokens: int = PART_TOKENS
    prepare: Callable[[], None] | None = None
    page: bool = False


def start(command: Command, log: Path | None = None) -> BaseProcess:
    """Start a command; `.exitcode` is that of the command line, or minus the signal that ended it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=_run, args=(command, log), daemon=True)
    process.start()
    return process


def _run(command: Command, log: Path | None) -> None:
    import torch

    from spice_select import pipeline
    from spice_select.cli.main import main
    from spice_select.features import stage

    torch.set_num_threads(1)
    if not command.page:
        pipeline._write_page = lambda *_: None
    stage.PART_TOKENS = command.part_tokens
    if command.prepare is not None:
        command.prepare()
    with open(log or os.devnull, "w") as sink, contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        main(command.arguments)


@dataclass
class Survival:
    """What happened.

    Attributes:
        lasts: seconds that the untouched run took; kills fall anywhere in them.
        kills: processes killed.
        runs: runs that came to their end between the kills.
        at: how far the runs were when killed → how often.
        faults: what was lost or wrong; empty if all is well.
    """

    lasts: float = 0.0
    kills: int = 0
    runs: int = 0
    at: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def survive(arguments: Sequence[str], folder: Path, *, kills: int, seed: int = 0, page: bool = False) -> Survival:
    """Kill and resume `spice select …` until `kills` processes are dead and the last run has ended.

    Args:
        arguments: of the command, without `--out`.
        folder: an empty folder to work in.
        kills: how many.
        seed: of the moments.
        page: write the runs' pages as well, so that kills fall into them too.
    """
    draw, found = random.Random(seed), Survival()
    whole, out = folder / "whole" / "r", folder / "killed" / "r"  # no neighbours, whose gradients would be reused
    untouched = start(Command((*arguments, "--out", str(folder / "warm" / "r")), page=page))  # imports are not timed
    untouched.join()
    began = time.monotonic()
    untouched = start(Command((*arguments, "--out", str(whole)), page=page), folder / "log")
    untouched.join()
    found.lasts = time.monotonic() - began
    if untouched.exitcode != 0:
        raise RuntimeError(f"the untouched run ended with {untouched.exitcode}: {(folder / 'log').read_text()}")
    parts = _parts(whole)
    while True:
        process = start(Command((*arguments, "--out", str(out)), page=page), folder / "log")
        if found.kills >= kills:
            process.join()
        elif found.kills % 2 and _parts(out) < parts:
            _await_parts(process, out, draw.randint(_parts(out) + 1, parts))
        else:
            process.join(draw.uniform(0, found.lasts))
        if process.exitcode is None:
            process.kill()
            process.join()
        if process.exitcode == -signal.SIGKILL:
            found.kills += 1
            found.at[_stage(out)] += 1
            found.faults += _false_parts(out, whole)
            continue
        found.runs += 1
        if process.exitcode != 0:
            found.faults.append(f"exit code {process.exitcode}: {(folder / 'log').read_text()}")
        found.faults += differences(out, whole)
        if found.kills >= kills or found.faults:
            return found
        shutil.rmtree(out)


def _parts(out: Path) -> int:
    return sum(1 for _ in out.glob("gradients/part-*.parquet"))


def _await_parts(process: BaseProcess, out: Path, count: int) -> None:
    """Until a run folder holds so many parts, or the run has ended by itself."""
    while process.exitcode is None and _parts(out) < count:
        time.sleep(0.001)


def _stage(out: Path) -> str:
    """How far a run folder is."""
    if not (out / "identity.json").exists():
        return "before its identity was written"
    if (out / "manifest.json").exists():
        return "after its manifest was written"
    if any((out / name).exists() for name in OUTPUTS):
        return "while its outputs were written"
    return "in the gradients" if any(out.glob("gradients/*.parquet")) else "before the first part"


def _false_parts(out: Path, whole: Path) -> list[str]:
    """Parts that count as finished and differ from those of the untouched run."""
    from spice_select.store import PartStore

    killed, true = PartStore(out / "gradients"), PartStore(whole / "gradients")
    numbers = [int(path.stem.removeprefix("part-")) for path in sorted(true.folder.glob("part-*.parquet"))]
    return [
        f"part {number} counts as finished and is wrong"
        for number in numbers
        if killed.is_finished(number) and killed.path(number).read_bytes() != true.path(number).read_bytes()
    ]


def differences(out: Path, whole: Path) -> list[str]:
    """Files of a finished run that are not those of another, bit for bit; files that should not be there."""
    names = [*OUTPUTS, *(str(path.relative_to(whole)) for path in sorted(whole.glob("gradients/part-*")))]
    wrong = [
        f"{name} is not that of the run nobody killed"
        for name in names
        if not (out / name).is_file() or (out / name).read_bytes() != (whole / name).read_bytes()
    ]
    return wrong + [f"{path.name} was left behind" for path in sorted(out.rglob("*.part"))]


def make_proxy(folder: Path) -> Path:
    """A two-layer Llama of width 32 with a byte-level tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from spice_select.testing.tokenizers import tiny_tokenizer

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=384, eos_token_id=4, **sizes, **heads)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def make_corpus(path: Path, rows: int = 60) -> Path:
    """Additions, as messages."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as lines:
        for _ in range(rows):
            a, b = draw.randrange(1000), draw.randrange(1000)
            answer = f"{a} + {b} = {a + b}. " * (1 + a % 4)
            turns = [{"role": "user", "content": f"What is {a} + {b}?"}, {"role": "assistant", "content": answer}]
            lines.write(json.dumps({"messages": turns}) + "\n")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("kills.json"))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, corpus = make_proxy(folder / "proxy"), make_corpus(folder / "sums.jsonl")
        command = ["select", str(corpus), "--model", str(model), "--sketch-dim", "64", "--batch-tokens", "128"]
        found = survive(command, folder, kills=options.kills, seed=options.seed, page=True)
    spent = {"seconds": time.monotonic() - began, "seed": options.seed, "platform": platform.platform()}
    report = {
        "lasts": found.lasts,
        "kills": found.kills,
        "runs": found.runs,
        "at": dict(found.at),
        "faults": found.faults,
        **spent,
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))
    sys.exit(1 if found.faults else 0)


if __name__ == "__main__":
    main()
