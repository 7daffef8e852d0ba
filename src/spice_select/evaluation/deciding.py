"""The files beside the weights that decide what a model says: its numbers are kept under their sums too."""

from spice_select.evaluation.subjects import Subject
from spice_select.models.contents import contents
from spice_select.models.load import locate


def deciding_files(subject: Subject) -> dict[str, str]:
    """SHA-256 (hex) over a model's configuration, tokenizer, code and settings of generation, and over its adapter's.

    "" for none. A model from the hub is known by its commit, a GGUF file by its bytes.
    """
    base = locate(subject.base, False, None)
    there = {} if base.directory is None or base.gguf else contents(base.directory)
    return {
        "base_files_sha256": there.get("files_sha256", ""),
        "base_generation_sha256": there.get("generation_sha256", ""),
        "adapter_files_sha256": contents(subject.adapter)["files_sha256"] if subject.adapter else "",
    }
