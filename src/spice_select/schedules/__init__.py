"""When rows are chosen, and what the proxy does meanwhile: a function for each value of `--schedule`.

Each is given the usable examples by the number of their row, in the order of the corpus.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from spice_select.run.outcome import Outcome
from spice_select.schedules.interleaved.stage import choose_interleaved
from spice_select.schedules.static import choose_static

SCHEDULES: Mapping[str, Callable[..., Outcome]] = MappingProxyType(
    {"global": choose_static, "pools": choose_static, "interleaved": choose_interleaved}
)
