"""The trained proxy in a form that others load: a PEFT adapter, and the log of its steps."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from spice_select.models.recorded import BASE, write_record
from spice_select.run.folder import RunFolder
from spice_select.schedules.interleaved.steps import Step
from spice_select.store import whole_folder

ADAPTER = "proxy/adapter"
STEPS = "proxy/steps.jsonl"
OUTPUTS = (STEPS, *(f"{ADAPTER}/{name}" for name in ("adapter_model.safetensors", "adapter_config.json", BASE)))
_KNOWN = ("model", "model_weights_sha256", "model_files_sha256", "model_commit")
"""What a run's identity says of its proxy, under the names that a record has for it."""


def save_proxy(run: RunFolder, model: nn.Module, log: Sequence[Step]) -> None:
    """Write the adapter, what it was trained on, and the steps that made it. The folder is whole or not there."""
    run.write_lines(STEPS, map(asdict, log))
    adapted: Any = model
    place = ""
    for config in adapted.peft_config.values():
        base = Path(str(config.base_model_name_or_path)).expanduser()
        place = str(base.resolve()) if base.exists() else str(config.base_model_name_or_path)
        config.base_model_name_or_path = place  # good from any folder
    known = {name: str(run.identity[name]) for name in _KNOWN}
    with whole_folder(run.path / ADAPTER) as aside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft looks whether the base model's vocabulary was changed, in vain offline
        adapted.save_pretrained(aside, safe_serialization=True)
        write_record(aside, {**known, "path": place})
