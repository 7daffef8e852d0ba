"""Greedy over rows that no machine holds together: the picks are those of one machine, order included.

By log det a `Leader` holds the picks, the float64 root and the block that is picked from; each `Shard` holds some of
the rows and a stale bound on each. For what rows tell a `ForeseeingLeader` guesses picks ahead, and each shard holds
what its rows would take. They exchange `messages` and `foretelling` alone, arrays and numbers; whoever carries these
between machines needs no more than an object with a shard's methods. `greedy` takes `SpreadFeatures`, the rows as the
leader sees them. docs/selection.md has the argument.
"""

from spice_select.selection.partitioned.foreseeing import ForeseeingLeader as ForeseeingLeader
from spice_select.selection.partitioned.leader import Leader as Leader
from spice_select.selection.partitioned.messages import ShardLostError as ShardLostError
from spice_select.selection.partitioned.shard import Shard as Shard
from spice_select.selection.partitioned.spread import SpreadFeatures as SpreadFeatures
