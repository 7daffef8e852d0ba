"""What a model is, before its weights are loaded: enough to say whether a run folder belongs to it."""

from dataclasses import dataclass
from pathlib import Path

from spice_select.models.contents import contents
from spice_select.models.load import check_source, locate


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """A model's name and content.

    Attributes:
        name: what to call it in summaries and manifests.
        weights_hash: SHA-256 (hex) over the weight files; "" for a model from the hub, which `revision` identifies.
        files_hash: SHA-256 (hex) over its configuration, tokenizer, chat template and code; "" for one from the hub.
        revision: commit of the hub repository; "" for local models.
        generation_hash: SHA-256 (hex) over its settings of generation, which decide no gradient and no loss; "" where
            there are none, and for a model from the hub.
    """

    name: str
    weights_hash: str
    revision: str
    files_hash: str = ""
    generation_hash: str = ""

    @property
    def sums(self) -> dict[str, str]:
        """What decides results, under the names that a run's identity records it by; equal sums, equal gradients."""
        return {
            "model_weights_sha256": self.weights_hash,
            "model_files_sha256": self.files_hash,
            "model_commit": self.revision,
        }


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
    commit = check_source(source, allow_network, allow_pickle, trust_remote_code, revision)
    sums = {} if source.directory is None else contents(source.directory, gguf=source.gguf)
    return ModelIdentity(
        name=source.name,
        weights_hash=sums.get("weights_sha256", ""),
        revision=commit,
        files_hash=sums.get("files_sha256", ""),
        generation_hash=sums.get("generation_sha256", ""),
    )
