"""Which model is opened, where and how: the settings."""

from pydantic import Field

from spice_select.settings.access import ModelAccess
from spice_select.settings.base import Group
from spice_select.settings.places import Place


class _Proxy(Group):
    model: Place | None = Field(
        None,
        description="Hugging Face causal LM, a hub id or a local directory, best of the target's own family. "
        "Default: the embedded SmolLM2-135M-Instruct.",
    )


class ProxySettings(ModelAccess, _Proxy):
    """The small model whose gradients are compared."""
