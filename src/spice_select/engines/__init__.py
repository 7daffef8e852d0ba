"""Who computes the parts of the gradients: this process, or several that share one store."""

from spice_select.engines.base import Executor, LocalExecutor, Work
from spice_select.engines.choose import executor_for
from spice_select.engines.devices import DeviceExecutor
from spice_select.engines.places import Place
from spice_select.engines.shared import SharedExecutor

__all__ = ["DeviceExecutor", "Executor", "LocalExecutor", "Place", "SharedExecutor", "Work", "executor_for"]
