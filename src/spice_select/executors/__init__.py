"""Who computes the parts of the gradients: this process, or several that share one store."""

from typing import TYPE_CHECKING

from spice_select.executors.settings import EngineSettings as EngineSettings
from spice_select.settings.deferred import deferred_names

if TYPE_CHECKING:
    from spice_select.executors.base import Batches as Batches
    from spice_select.executors.base import Executor as Executor
    from spice_select.executors.base import LocalExecutor as LocalExecutor
    from spice_select.executors.base import PartJob as PartJob
    from spice_select.executors.base import Receipt as Receipt
    from spice_select.executors.base import Work as Work
    from spice_select.executors.choose import executor_elsewhere as executor_elsewhere
    from spice_select.executors.choose import executor_for as executor_for
    from spice_select.executors.choose import shared_among as shared_among
    from spice_select.executors.devices import DeviceExecutor as DeviceExecutor
    from spice_select.executors.handed_out import HandedOut as HandedOut
    from spice_select.executors.places import ProcessPlace as ProcessPlace
    from spice_select.executors.shared import SharedExecutor as SharedExecutor

__getattr__ = deferred_names(
    __name__,
    {
        "Batches": "spice_select.executors.base",
        "Executor": "spice_select.executors.base",
        "LocalExecutor": "spice_select.executors.base",
        "PartJob": "spice_select.executors.base",
        "Receipt": "spice_select.executors.base",
        "Work": "spice_select.executors.base",
        "executor_elsewhere": "spice_select.executors.choose",
        "executor_for": "spice_select.executors.choose",
        "shared_among": "spice_select.executors.choose",
        "DeviceExecutor": "spice_select.executors.devices",
        "HandedOut": "spice_select.executors.handed_out",
        "ProcessPlace": "spice_select.executors.places",
        "SharedExecutor": "spice_select.executors.shared",
    },
)
