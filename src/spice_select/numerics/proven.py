"""Proven shares as they may be shown."""

import math


def rounded_down(share: float) -> float:
    """To a tenth of a percent, downwards: what is a lower bound stays one."""
    return math.floor(share * 1000) / 1000
