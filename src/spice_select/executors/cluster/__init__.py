"""A Ray cluster as executor: actors that hold the model, a driver that hands out parts, the store as the only truth."""

from spice_select.executors.cluster.engine import RayExecutor as RayExecutor
from spice_select.executors.cluster.helpers import HelpingActors as HelpingActors
