"""Who computes the parts of the gradients: this process, or several that share one store."""

from spice_select.executors.base import Executor, LocalExecutor, PartJob, Work
from spice_select.executors.choose import executor_for
from spice_select.executors.devices import DeviceExecutor
from spice_select.executors.places import ProcessPlace
from spice_select.executors.shared import SharedExecutor

__all__ = [
    "DeviceExecutor",
    "Executor",
    "LocalExecutor",
    "PartJob",
    "ProcessPlace",
    "SharedExecutor",
    "Work",
    "executor_for",
]
