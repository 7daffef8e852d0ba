"""Does a task's proxy put in order what is known to differ? One that does not is dropped from the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from spice_select.comparison.bed import Bed
from spice_select.comparison.terms import Terms


@dataclass(frozen=True)
class ContrastCheck:
    """The losses of the known contrasts that ran, from what must be the worst to the best, and those that did not."""

    losses: dict[str, float]
    missing: tuple[str, ...]

    @property
    def wrong(self) -> Sequence[str]:
        """Neighbours that stand the wrong way round, in words."""
        return [
            f"{better} {loss:.4f} is no better than {worse} {before:.4f}"
            for (worse, before), (better, loss) in pairwise(self.losses.items())
            if not loss < before
        ]

    @property
    def trusted(self) -> bool:
        """Whether there was something to check, and it stood as it must."""
        return len(self.losses) > 1 and not self.wrong

    def __str__(self) -> str:
        if self.wrong:
            return f"a proxy that misorders what is known: {'; '.join(self.wrong)}"
        if not self.trusted:
            return f"a proxy that nothing known was checked on: {', '.join(self.missing)} did not run"
        order = " > ".join(f"{arm} {loss:.4f}" for arm, loss in self.losses.items())
        return f"known contrasts stand in order: {order}"


def check_contrasts(bed: Bed, terms: Terms) -> ContrastCheck:
    """By the means over seeds of the losses of `Terms.contrasts`."""
    ran = {arm: bed.loss(arm, terms.endpoint) for arm in terms.contrasts if arm in bed.arms}
    return ContrastCheck(ran, tuple(arm for arm in terms.contrasts if arm not in ran))
