"""The trained proxy in a form that others load: a PEFT adapter, and the log of its steps."""

import json
import os
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from torch import nn

from spice_select.run.folder import RunFolder
from spice_select.schedules.interleaved.steps import Step
from spice_select.store import explained

ADAPTER = "proxy/adapter"
STEPS = "proxy/steps.jsonl"
OUTPUTS = (STEPS, f"{ADAPTER}/adapter_model.safetensors", f"{ADAPTER}/adapter_config.json")


def save_proxy(run: RunFolder, model: nn.Module, log: Sequence[Step]) -> None:
    """Write the adapter and the steps that made it. The folder appears whole or not at all."""
    run.write_text(STEPS, "".join(json.dumps(asdict(step)) + "\n" for step in log))
    place: Any = run.path / ADAPTER
    aside = place.with_name(f"{place.name}.{os.getpid()}.part")
    adapted: Any = model
    with explained(place), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft looks whether the base model's vocabulary was changed, in vain offline
        adapted.save_pretrained(aside, safe_serialization=True)
        shutil.rmtree(place, ignore_errors=True)
        os.replace(aside, place)
