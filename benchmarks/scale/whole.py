"""Peak memory of a whole `spice select` on short rows, by stage, in a process of its own.

The proxy is tiny (two layers of width 32), so that memory is the rows' and the features', not the model's. Its
gradients are drawn at random where they would take hours: their parts are written, checked and read as any.
"""

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, kw_only=True)
class Whole:
    """n rows, d numbers in a feature, the share chosen, who chooses, and whether gradients are drawn at random."""

    n: int
    d: int = 64
    budget: str = "10%"
    method: str = "spice"
    drawn: bool = True


WHOLES = (Whole(n=100_000), Whole(n=1_000_000))


def watched(case: Whole, *, timeout: float = 7200.0) -> dict[str, object]:
    """Megabytes: `corpus` (the file), `begun` (the process before it reads), `stages` (the peak in each); seconds."""
    with tempfile.TemporaryDirectory(prefix="spice-scale-") as place:
        command = [sys.executable, "-m", "benchmarks.scale.whole", json.dumps(asdict(case)), place]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        return {"error": done.stderr.strip()[-2000:]}
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


class Watch:
    """A progress that knows the most memory in use in each task, and between tasks. See `Progress`."""

    def __init__(self) -> None:
        self.stage, self.peaks, self._ended = "reading", dict[str, float](), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def task(self, name: str, total: int, unit: str, *, done: int = 0) -> Iterator:
        self.stage = name
        yield lambda amount: None
        self.stage = f"after {name}"

    def note(self, sentence: str) -> None:
        print(sentence, file=sys.stderr)

    def close(self) -> dict[str, float]:
        self._ended.set()
        self._thread.join()
        return self.peaks

    def _look(self) -> None:
        process = psutil.Process()
        while not self._ended.wait(0.02):
            used = process.memory_info().rss / 1e6
            self.peaks[self.stage] = max(self.peaks.get(self.stage, 0.0), used)


def short_rows(path: Path, count: int) -> None:
    """Questions and answers of some dozens of tokens (bytes), none like another."""
    draw = random.Random(0)
    with path.open("w") as file:
        for number in range(count):
            a, b = draw.randrange(10**6), draw.randrange(10**6)
            row = {"id": number, "source": f"s{number % 7}", "prompt": f"{a}+{b}?", "completion": f"{a + b} it is"}
            file.write(json.dumps(row) + "\n")


def tiny_proxy(folder: Path) -> None:
    """Two layers of width 32 and a tokenizer of bytes, as the tests have it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from spice_select.testing.tokenizers import tiny_tokenizer

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=384,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=4,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def draw_gradients() -> None:
    """From now on in this process gradients are random numbers, a function of their rows."""
    import numpy as np

    from spice_select.features import Gradients
    from spice_select.schedules import static
    from spice_select.store import FeatureBlock

    def opened(feature: Gradients):
        d = feature.engine._request.gradients.sketch_dim

        def compute(batch) -> FeatureBlock:
            rows = np.array([example.row for example in batch], np.int64)
            vectors = np.random.default_rng(int(rows[0])).standard_normal((len(rows), d), np.float32)
            columns = {
                "loss": np.ones(len(rows)),
                "norm": np.linalg.norm(vectors, axis=1).astype(float),
                "tokens": np.array([example.num_tokens for example in batch], np.int64),
                "supervised": np.array([example.num_supervised for example in batch], np.int64),
            }
            return FeatureBlock(rows=rows, columns=columns, finite=np.ones(len(rows), bool), features=vectors)

        return compute

    Gradients.open = opened
    static._fidelity = lambda *known: None


def _select(case: Whole, place: Path) -> dict[str, object]:
    import spice_select

    corpus = place / "train.jsonl"
    short_rows(corpus, case.n)
    tiny_proxy(place / "proxy")
    if case.drawn:
        draw_gradients()
    begun = psutil.Process().memory_info().rss / 1e6
    watch, started = Watch(), time.perf_counter()
    run = spice_select.select(
        corpus,
        out=place / "run",
        model=str(place / "proxy"),
        method=case.method,
        budget=case.budget,
        **({"sketch_dim": case.d} if case.method != "random" else {}),
        progress=watch,
    )
    peaks = watch.close()
    return {
        "corpus": corpus.stat().st_size / 1e6,
        "features": case.n * case.d * 4 / 1e6 if run.manifest["parts"] else 0.0,
        "begun": begun,
        "peak": max(peaks.values()),
        "stages": peaks,
        "seconds": time.perf_counter() - started,
        "by_stage": run.manifest["seconds"],
    }


if __name__ == "__main__":
    print(json.dumps(_select(Whole(**json.loads(sys.argv[1])), Path(sys.argv[2]))))
