"""The trained proxy in a form that others load: a PEFT adapter, and the log of its steps."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from torch import nn

from spice_select.models.lora import order_names
from spice_select.models.recorded import BASE, lasting_name, record_of_run, write_record
from spice_select.run.folder import RunFolder
from spice_select.schedules.interleaved.steps import Step
from spice_select.store import whole_folder

ADAPTER = "proxy/adapter"
STEPS = "proxy/steps.jsonl"
OUTPUTS = (STEPS, *(f"{ADAPTER}/{name}" for name in ("adapter_model.safetensors", "adapter_config.json", BASE)))


def save_proxy(run: RunFolder, model: nn.Module, log: Sequence[Step]) -> None:
    """Write the adapter, what it was trained on, and the steps that made it. The folder is whole or not there."""
    run.write_lines(STEPS, map(asdict, log))
    adapted: Any = model
    place = ""
    for config in adapted.peft_config.values():
        place = config.base_model_name_or_path = lasting_name(str(config.base_model_name_or_path))
    order_names(model)
    with whole_folder(run.path / ADAPTER) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft looks whether the base model's vocabulary was changed, in vain offline
        adapted.save_pretrained(aside, safe_serialization=True)
        write_record(aside, record_of_run(run.identity, place))
