"""Who computes the parts of the gradients: this process, or several that share one store."""

from spice_select.executors.base import Batches, Executor, LocalExecutor, PartJob, Receipt, Work
from spice_select.executors.choose import executor_elsewhere, executor_for, shared_here
from spice_select.executors.devices import DeviceExecutor
from spice_select.executors.handed_out import HandedOut
from spice_select.executors.places import ProcessPlace
from spice_select.executors.settings import EngineSettings
from spice_select.executors.shared import SharedExecutor

__all__ = [
    "Batches",
    "DeviceExecutor",
    "EngineSettings",
    "Executor",
    "HandedOut",
    "LocalExecutor",
    "PartJob",
    "ProcessPlace",
    "Receipt",
    "SharedExecutor",
    "Work",
    "executor_elsewhere",
    "executor_for",
    "shared_here",
]
