"""RDS+: rows whose representations are nearest the target's (Ivison et al. 2025, arXiv 2503.01807)."""

from typing import ClassVar

from spice_select.features.poolings import STATES, WEIGHTED
from spice_select.methods.base import Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.cosines import unit_cosines
from spice_select.methods.ranked import best_ranked
from spice_select.methods.round_robin import round_robin
from spice_select.progress import Progress


class Rds(Method):
    """Each row of the target in turn takes the candidate nearest to it that is left; tasks take turns before rows do.

    Near by the cosine of position-weighted means of the proxy's last hidden states, over prompt and answer alike. Rows
    are read whole, to `--max-length` (the paper cuts them at 2 048 tokens).
    """

    name: ClassVar[str] = "rds"
    summary: ClassVar[str] = "nearest the target's rows by hidden states (RDS+), each in turn"
    source: ClassVar[str] = "arXiv 2503.01807"
    no_pairs: ClassVar[str] = "it chooses for a target, whose rows have one answer each"
    no_marks: ClassVar[str] = "it chooses for a target, whose answers are all to be learnt"
    takes_target: ClassVar[bool] = True
    requires_target: ClassVar[bool] = True

    def needs(self) -> tuple[str, ...]:
        """Hidden states: a forward pass."""
        return (STATES,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows each pick's ``similarity`` to the row it is for."""
        target = candidates.target
        assert target is not None, "a run without a target is refused before"
        near = unit_cosines(*(WEIGHTED.directions(rows.features[STATES]) for rows in (candidates, target)))
        order, similarity = round_robin(near, target.groups, candidates.rows)
        return best_ranked(order, candidates, allowance, path=self.name, known={"similarity": similarity})
