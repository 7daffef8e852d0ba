"""Models: loading of proxies and targets, the embedded default, the layers that carry gradients, LoRA placement.

The names are loaded when they are asked for: settings can be read without torch.
"""

from typing import TYPE_CHECKING

from spice_select.settings.deferred import deferred_names

if TYPE_CHECKING:
    from spice_select.models.load import Loaded as Loaded
    from spice_select.models.load import load_model as load_model
    from spice_select.models.load import load_tokenizer as load_tokenizer
    from spice_select.models.lora import LoraSpec as LoraSpec
    from spice_select.models.lora import attach_lora as attach_lora
    from spice_select.models.precision import Precision as Precision
    from spice_select.models.precision import choose_device as choose_device
    from spice_select.models.precision import choose_precision as choose_precision

__getattr__ = deferred_names(
    __name__,
    {
        "Loaded": "spice_select.models.load",
        "load_model": "spice_select.models.load",
        "load_tokenizer": "spice_select.models.load",
        "LoraSpec": "spice_select.models.lora",
        "attach_lora": "spice_select.models.lora",
        "Precision": "spice_select.models.precision",
        "choose_device": "spice_select.models.precision",
        "choose_precision": "spice_select.models.precision",
    },
)
