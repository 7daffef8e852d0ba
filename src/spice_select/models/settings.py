"""Which model is opened, where and how: the settings."""

from typing import Literal

from pydantic import Field

from spice_select.settings.base import Group


class ProxySettings(Group):
    """The small model whose gradients are compared."""

    model: str | None = Field(
        None,
        description="Hugging Face causal LM, a hub id or a local directory, best of the target's own family. "
        "Default: the embedded SmolLM2-135M-Instruct.",
    )
    model_revision: str | None = Field(None, description="Revision of a hub model.")
    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`, `mps`.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Precision of the model; `auto` is bfloat16 on a GPU that multiplies it, else float32.",
    )
    allow_network: bool = Field(False, description="May reach the Hugging Face hub for the model or the data.")
    allow_pickle: bool = Field(False, description="May load pickled weights (they can run code when loaded).")
    trust_remote_code: bool = Field(False, description="May run Python code that comes with the model.")
