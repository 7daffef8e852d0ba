"""Which loss of a trainer has the gradient that pairs were chosen by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class PairLoss:
    """A loss over pairs, by its names.

    Attributes:
        trl, llamafactory, axolotl: what the trainers call it: `loss_type`, `pref_loss` and `rl`.
        tail: what tokens beyond the shorter answer count (LD-DPO); None: as all others.
    """

    trl: str
    llamafactory: str
    axolotl: str
    tail: float | None = None

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Self:
        """That of a run, by the facts that decide its result."""
        if identity.get("pair_gradient", "sum") == "mean":  # in all three ipo is that of means over tokens
            return cls(trl="sigmoid_norm", llamafactory="ipo", axolotl="ipo")
        tail = identity.get("pair_tail", 0.5) if identity.get("pair_gradient") == "tail" else None
        return cls(trl="sigmoid", llamafactory="sigmoid", axolotl="dpo", tail=tail)
