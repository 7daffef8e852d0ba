"""A row for each entry of the table of features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spice_select.features import FEATURES, Feature, FeatureRequest
from spice_select.features.request import ProxyRequest
from spice_select.gradients.settings import GradientSettings
from spice_select.models.settings import ProxySettings
from spice_select.testing.engine import sample_batch


@dataclass(frozen=True, kw_only=True)
class Case:
    """A feature of the tiny proxy.

    Attributes:
        name: of the feature.
        columns: what it knows of a row beside row number and vector.
        dim: numbers in its vector.
    """

    name: str
    columns: tuple[str, ...]
    dim: int

    def of(self, model: Path) -> Feature:
        """The feature of a model, in float32, whose laws are those that are tested."""
        access = ProxySettings(model=str(model), dtype="float32")
        asked = ProxyRequest(access=access, gradients=GradientSettings(sketch_dim=32, lora_rank=4))
        return FEATURES[self.name].of(
            FeatureRequest(proxy=asked, model="tiny", examples=sample_batch(), facts={"model": "tiny"})
        )


CASES: tuple[Case, ...] = (
    Case(name="gradients", columns=("loss", "norm", "tokens", "supervised"), dim=32),
    Case(name="losses", columns=("loss", "loss_sum", "tokens", "supervised"), dim=0),
    Case(name="unprompted-losses", columns=("loss", "loss_sum", "tokens", "supervised"), dim=0),
    Case(name="token-states", columns=("square", "kept", "tokens", "supervised"), dim=8 * 32),
    Case(name="ratings", columns=("mass", "tokens", "supervised"), dim=25),
    Case(
        name="hidden-states",
        columns=("weighted-length", "response-length", "prompt-length", "last-length", "tokens", "supervised"),
        dim=4 * 32,
    ),
    Case(name="learnability", columns=("loss", "warm", "tokens", "supervised"), dim=0),
)

ids: Callable[[Case], str] = lambda case: case.name  # noqa: E731
