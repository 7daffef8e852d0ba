"""Training: on what a run chose (`train`), on what is chosen as training goes (`online`), and elsewhere (`export`)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spice_select.training.online import OnlineSelector as OnlineSelector
    from spice_select.training.sft import run_train as run_train
    from spice_select.training.sft import train as train
    from spice_select.training.sft_result import Trained as Trained
    from spice_select.training.sft_result import load_trained as load_trained
    from spice_select.training.sft_settings import TrainSettings as TrainSettings

_LAZY = {
    "OnlineSelector": "spice_select.training.online",
    "run_train": "spice_select.training.sft",
    "train": "spice_select.training.sft",
    "Trained": "spice_select.training.sft_result",
    "load_trained": "spice_select.training.sft_result",
    "TrainSettings": "spice_select.training.sft_settings",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'spice_select.training' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
