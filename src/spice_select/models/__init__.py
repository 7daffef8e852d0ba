"""Models: loading of proxies and targets, the embedded default, the layers that carry gradients, LoRA placement."""

from spice_select.models.load import Loaded, load_model, load_tokenizer
from spice_select.models.lora import LoraSpec, attach_lora
from spice_select.models.precision import Precision, choose_device, choose_precision

__all__ = [
    "Loaded",
    "LoraSpec",
    "Precision",
    "attach_lora",
    "choose_device",
    "choose_precision",
    "load_model",
    "load_tokenizer",
]
