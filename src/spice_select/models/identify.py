"""What a model is, before its weights are loaded: enough to say whether a run folder belongs to it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.models.digests import file_digest
from spice_select.models.load import check_weights, explained, hash_weights, locate
from spice_select.models.quiet import quiet_transformers


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """A model's name and content.

    Attributes:
        name: what to call it in summaries and manifests.
        weights_hash: SHA-256 (hex) over the weight files; "" for a model from the hub, which `revision` identifies.
        files_hash: SHA-256 (hex) over its configuration, tokenizer and code; "" where `weights_hash` or `revision` says
            it all (GGUF, hub).
        revision: commit of the hub repository; "" for local models.
    """

    name: str
    weights_hash: str
    revision: str
    files_hash: str = ""


def identify_model(
    name: str | Path | None = None,
    *,
    allow_network: bool = False,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    revision: str | None = None,
) -> ModelIdentity:
    """Identify a model without loading it: about a second for each gigabyte of weights. Errors as for `load_model`."""
    source = locate(name, allow_network, revision)
    if source.directory is not None and source.gguf is None:
        check_weights(source.directory, allow_pickle)
    commit: Any = ""
    if source.directory is None:
        from transformers import AutoConfig

        with quiet_transformers(), explained(source, allow_network, allow_pickle, trust_remote_code):
            options = source.options(allow_network, trust_remote_code, revision)
            commit = getattr(AutoConfig.from_pretrained(source.place, **options), "_commit_hash", None) or ""
    whole = source.directory is None or source.gguf is not None
    return ModelIdentity(
        name=source.name,
        weights_hash=hash_weights(source),
        revision=str(commit),
        files_hash="" if whole else _hash_files(Path(source.place)),
    )


_SHAPING = (
    "config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
)
"""Files that change what the same weights compute, or which tokens they are given."""


def _hash_files(directory: Path) -> str:
    found = {path for pattern in (*_SHAPING, "chat_template*", "*.py") for path in directory.glob(pattern)}
    digest = hashlib.sha256()
    for path in sorted(path for path in found if path.is_file()):
        digest.update(path.name.encode() + b"\0" + file_digest(path))
    return digest.hexdigest()
