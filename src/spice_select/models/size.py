"""How many weights a model has, by its configuration alone."""

from spice_select.models.load import explained_load, locate
from spice_select.models.quiet import quiet_transformers
from spice_select.settings.access import ModelAccess


def count_weights(name: str | None, access: ModelAccess) -> int:
    """Weights of the model that `load_model` would load, tied ones once; no weight is read. Errors as `load_model`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    source = locate(name, access.allow_network, access.model_revision)
    with quiet_transformers(), explained_load(source, access.allow_network, False, access.trust_remote_code):
        options = source.options(access.allow_network, access.trust_remote_code, access.model_revision)
        config = AutoConfig.from_pretrained(source.place, **options)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=access.trust_remote_code)
        model.tie_weights()
    return sum(weights.numel() for weights in model.parameters())
