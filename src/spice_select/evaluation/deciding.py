"""The files beside the weights that decide what a model says: its numbers are kept under their sums too."""

import hashlib
from pathlib import Path

from spice_select.evaluation.subjects import Subject
from spice_select.models.digests import file_digest
from spice_select.models.load import locate

_TEXTS = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.py")
"""Configuration (of the model, of generation), tokenizer and its templates, code; a few too many do no harm."""


def deciding_files(subject: Subject) -> dict[str, str]:
    """SHA-256 (hex) over a model's configuration, tokenizer and code files, and over its adapter's; "" for none.

    A model from the hub is known by its commit, a GGUF file by its bytes.
    """
    base = locate(subject.base, False, None)
    return {
        "base_files_sha256": "" if base.directory is None or base.gguf else files_sum(base.directory),
        "adapter_files_sha256": files_sum(subject.adapter) if subject.adapter else "",
    }


def files_sum(folder: Path) -> str:
    """SHA-256 over such files of a folder and of what lies in it (more chat templates, say), by name and content."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _TEXTS for path in folder.rglob(pattern) if path.is_file()}):
        digest.update(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape") + b"\0")
        digest.update(file_digest(path))
    return digest.hexdigest()
