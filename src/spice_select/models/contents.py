"""What a model's or an adapter's folder holds that decides a result, as sums: weights, shaping files, generation."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from spice_select.models.digests import file_digest

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
"""Files that may hold weights, and any code with them."""
ADAPTER_CONFIG = "adapter_config.json"
"""The file that makes a folder a PEFT adapter's."""
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_PICKLED_ADAPTER = "adapter_model.bin"
_SHAPING = (
    "config.json",
    ADAPTER_CONFIG,
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "chat_template*",
    "additional_chat_templates/*",
    "*.py",
)
"""Files that change what the same weights compute, or which tokens they are given."""
_GENERATION = ("generation_config.json",)


def contents(folder: Path, *, gguf: str | None = None) -> dict[str, str]:
    """Sums over everything in a folder that decides what its model computes, JSON-ready; equal sums, equal results.

    Two folders of equal content have equal sums, wherever they are and whatever else lies in them (cards, optimisers,
    training logs). Cost: about a second for each gigabyte, once in a process.

    Args:
        folder: of a model, or of a PEFT adapter.
        gguf: the file in it that is the model, where it is one.

    Returns:
        SHA-256 (hex) by kind: ``weights_sha256``; ``files_sha256`` over configuration, tokenizer, chat template and
        code; ``generation_sha256`` over the settings of generation, which decide benchmarks that generate and no
        gradient or loss ("" where there are none).
    """
    return {
        "weights_sha256": files_sum(weight_files(folder, gguf=gguf)),
        "files_sha256": files_sum(_matching(folder, _SHAPING)),
        "generation_sha256": files_sum(_matching(folder, _GENERATION)),
    }


def weight_files(folder: Path, *, gguf: str | None = None) -> list[Path]:
    """The files of weights that count, in the order of their names: an adapter's own, else safetensors, else pickles.

    An adapter's folder may hold its optimiser and a Trainer's state, which are no weights.
    """
    if gguf is not None:
        return [folder / gguf]
    if (folder / ADAPTER_CONFIG).is_file():
        return [path for name in (ADAPTER_WEIGHTS, _PICKLED_ADAPTER) if (path := folder / name).is_file()][:1]
    return sorted(folder.glob("*.safetensors")) or sorted(_matching(folder, PICKLED))


def files_sum(files: Iterable[Path]) -> str:
    """SHA-256 (hex) over the names and contents of files, in the order of their names; "" for none."""
    digest, some = hashlib.sha256(), False
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + file_digest(path))
        some = True
    return digest.hexdigest() if some else ""


def _matching(folder: Path, patterns: Iterable[str]) -> set[Path]:
    return {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
