"""What a run over shards cost on the way."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class Traffic:
    """Rounds with all shards, and feature rows that shards sent."""

    rounds: int = 0
    rows_sent: int = 0
