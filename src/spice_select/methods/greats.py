"""GREATS: rows whose step lowers the target's loss most, less what the picks do already (Wang et al., NeurIPS 2024)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from spice_select.methods.base import GRADIENTS, Candidates, Choice, Method
from spice_select.methods.budget import Allowance
from spice_select.methods.greedily import allowed, work
from spice_select.numerics.features import Features
from spice_select.progress import Progress
from spice_select.selection import PredictedDrop, greedy


class Greats(Method):
    """Greedy by η⟨g, t⟩ − η²⟨g, Σ picks⟩, t the mean gradient of the target's rows, whatever task they are of.

    Made for `--schedule interleaved`, where g and t are those of the moving proxy and η is the rate of the step that
    the picks go into. Where the proxy stands still η is `--learning-rate`. Gradients are taken as they come, whatever
    `--normalise` says, so long ones count for more. At the rates that adapters are tuned with the second term is
    hundreds of times smaller than the first and more: it hardly decides.

    Attributes:
        rate: η where the proxy stands still.
    """

    name: ClassVar[str] = "greats"
    summary: ClassVar[str] = "what lowers the target's loss most in one step, less what the picks do already (GREATS)"
    source: ClassVar[str] = "Wang et al., NeurIPS 2024"
    no_pairs: ClassVar[str] = "it chooses for a target, whose rows have one answer each"
    no_marks: ClassVar[str] = "it chooses for a target, whose answers are all to be learnt"
    reads: ClassVar[frozenset[str]] = frozenset({"learning_rate", "alpha", "normalise"})  # the last two in judging
    takes_target: ClassVar[bool] = True
    requires_target: ClassVar[bool] = True
    plain_target: ClassVar[bool] = True

    def __init__(self, rate: float) -> None:
        self.rate = rate

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Method:
        """At the peak rate of the settings."""
        return cls(settings["learning_rate"])

    def needs(self) -> tuple[str, ...]:
        """Gradients."""
        return (GRADIENTS,)

    def choose(
        self, candidates: Candidates, allowance: Allowance, *, seed: int | tuple[int, ...], progress: Progress
    ) -> Choice:
        """See `Method.choose`; nothing is drawn. The choice knows the ``drop`` predicted of each pick (nats)."""
        assert candidates.target is not None, "a run without a target is refused before"
        rate = self.rate if candidates.moment is None else candidates.moment.rate
        objective = PredictedDrop(candidates.target.features[GRADIENTS].features, rate)
        raw = Features(candidates.features[GRADIENTS].features)
        with progress.task("Selection", *work(allowance, None)) as advance:
            picked = greedy(raw, **allowed(candidates, allowance), objective=objective, progress=advance)
        return Choice(
            indices=picked.indices,
            columns={"drop": picked.gains},
            pools=picked.pools,
            stop=picked.stop,
            stats=picked.stats,
        )
