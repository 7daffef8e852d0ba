"""A model read from quantised weights whose own are plain numbers: what still says that they are not."""

from typing import Any


def forget_quantisation(model: Any) -> None:
    """Drop transformers' marks of a GGUF, which it dequantised as it read it: nothing marked so is trained or saved."""
    for module in model.modules():
        config = getattr(module, "config", None)
        for name in ("quantization_config", "_is_quantized"):
            if getattr(config, name, None) is not None:
                delattr(config, name)
    for name in ("hf_quantizer", "quantization_method"):
        if hasattr(model, name):
            setattr(model, name, None)
    model.is_quantized = False
