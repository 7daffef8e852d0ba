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
        gradient: what the pairs were seen by, a value of `--pair-gradient`.
    """

    trl: str
    llamafactory: str
    axolotl: str
    tail: float | None = None
    gradient: str = "sum"

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Self:
        """That of a run, by the facts that decide its result."""
        gradient = identity.get("pair_gradient", "sum")
        if gradient == "mean":  # in all three ipo is that of means over tokens
            return cls(trl="sigmoid_norm", llamafactory="ipo", axolotl="ipo", gradient=gradient)
        tail = identity.get("pair_tail", 0.5) if gradient == "tail" else None
        return cls(trl="sigmoid", llamafactory="sigmoid", axolotl="dpo", tail=tail, gradient=gradient)

    @property
    def of_one_side(self) -> bool:
        """Whether the pairs were seen by their chosen answers alone, as no loss of pairs sees them."""
        return self.gradient == "chosen"

    @property
    def comment(self) -> str:
        """Beside the loss in a configuration: what it has to do with the selection."""
        if self.of_one_side:
            return "of both answers; --pair-gradient chosen saw the chosen ones alone"
        return f"its gradient is that of --pair-gradient {self.gradient}, as in the selection"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of it before training; none where it is the loss of the selection."""
        if not self.of_one_side:
            return ()
        return ("The selection saw the chosen answers alone (--pair-gradient chosen); this trains on both sides.",)
