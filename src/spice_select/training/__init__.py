"""Fine-tuning of the target on what a run chose, through TRL; and a selector for trainers of your own."""

from typing import TYPE_CHECKING

from spice_select.settings.deferred import deferred_names

if TYPE_CHECKING:
    from spice_select.schedules.online.selector import OnlineSelector as OnlineSelector
    from spice_select.training.result import Trained as Trained
    from spice_select.training.result import load_trained as load_trained
    from spice_select.training.settings import TrainSettings as TrainSettings
    from spice_select.training.stage import run_train as run_train
    from spice_select.training.stage import train as train

__getattr__ = deferred_names(
    __name__,
    {
        "OnlineSelector": "spice_select.schedules.online.selector",
        "run_train": "spice_select.training.stage",
        "train": "spice_select.training.stage",
        "Trained": "spice_select.training.result",
        "load_trained": "spice_select.training.result",
        "TrainSettings": "spice_select.training.settings",
    },
)
