"""The trained proxy in a form that others load: a PEFT adapter, and the log of its steps."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from torch import nn

from spice_select.run.folder import RunFolder
from spice_select.schedules.interleaved.steps import Step
from spice_select.store import whole_folder

ADAPTER = "proxy/adapter"
STEPS = "proxy/steps.jsonl"
OUTPUTS = (STEPS, f"{ADAPTER}/adapter_model.safetensors", f"{ADAPTER}/adapter_config.json")


def save_proxy(run: RunFolder, model: nn.Module, log: Sequence[Step]) -> None:
    """Write the adapter and the steps that made it. The folder appears whole or not at all."""
    run.write_lines(STEPS, map(asdict, log))
    adapted: Any = model
    with whole_folder(run.path / ADAPTER) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft looks whether the base model's vocabulary was changed, in vain offline
        adapted.save_pretrained(aside, safe_serialization=True)
