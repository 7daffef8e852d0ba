"""Where a proxy stands that trains while rows are chosen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The moment at which a pool is chosen from.

    Attributes:
        updates: how many updates the proxy has had.
        rate: learning rate planned for the first step on what is picked now.
    """

    updates: int
    rate: float
