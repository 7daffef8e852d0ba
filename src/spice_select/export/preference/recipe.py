"""The settings that configurations for preference pairs start from."""

from dataclasses import asdict, dataclass
from typing import Self

from spice_select.export.recipe import TrainingRecipe

OF_REFERENCE = "  # the reference is the model with the LoRA turned off"
"""Behind the line that asks for a LoRA."""


@dataclass(frozen=True, kw_only=True)
class PairRecipe(TrainingRecipe):
    """A LoRA tuned by DPO. TRL's own rate of 1e-6 is for all weights, and it turns dropout off.

    Attributes:
        beta: how dear it is to leave the reference.
    """

    learning_rate: float = 5e-6
    lora_dropout: float = 0.0
    beta: float = 0.1

    @classmethod
    def like(cls, recipe: TrainingRecipe) -> Self:
        """A recipe for answers, taken for pairs: as it is, but that its defaults are those for pairs."""
        if isinstance(recipe, cls):
            return recipe
        return cls() if recipe == TrainingRecipe() else cls(**asdict(recipe))
