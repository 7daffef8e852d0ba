"""A row for each entry of the tables of the gradient stage: losses, parameters, preconditioners."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from spice_select.gradients import LOSSES, PARAMETERS, PRECONDITIONERS, Parameters, Preconditioner, ResponseLoss
from spice_select.gradients.preconditioner import AdamState, Moments
from spice_select.gradients.settings import GradientSettings
from spice_select.sketch import ParameterBlock


@dataclass(frozen=True, kw_only=True)
class LossCase:
    """A loss, and the weights of token losses in rows of 1, 2 and 4 supervised tokens."""

    name: str
    weights: tuple[float, float, float]

    @property
    def loss(self) -> ResponseLoss:
        return LOSSES[self.name].load()()


@dataclass(frozen=True, kw_only=True)
class ParametersCase:
    """A choice of parameters, and what its blocks are called last.

    Attributes:
        of_lora: whether it reads the settings of a LoRA.
    """

    name: str
    ends: str
    of_lora: bool = False

    def parameters(self, seed: int = 0) -> Parameters:
        small = {"lora_rank": 4, "lora_alpha": 12.0} if self.of_lora else {}
        return PARAMETERS[self.name].load().of(GradientSettings(parameters=self.name, **small), seed)


@dataclass(frozen=True, kw_only=True)
class PreconditionerCase:
    """A preconditioner, and what it makes of the gradient (6, 6) after one step of Adam on the gradient (3, −4)."""

    name: str
    made: tuple[float, float]

    def of(self, state: AdamState) -> Preconditioner:
        return PRECONDITIONERS[self.name].load().of(state)


STEPPED = torch.tensor([[3.0, -4.0]])
STATE = AdamState(moments={"x": Moments(0.1 * STEPPED, 0.001 * STEPPED**2)}, steps=1)
BLOCK = ParameterBlock("x", (1, 2))

LOSS_CASES: tuple[LossCase, ...] = (
    LossCase(name="mean", weights=(1.0, 0.5, 0.25)),
    LossCase(name="sum", weights=(1.0, 1.0, 1.0)),
)
PARAMETERS_CASES: tuple[ParametersCase, ...] = (
    ParametersCase(name="lora", ends="lora_B", of_lora=True),
    ParametersCase(name="last-layer", ends="lm_head.weight"),
    ParametersCase(name="full", ends="weight"),
)
# adam: (0.9·0.1·3 + 0.1·6)/(1 − 0.9²) over the root of (0.999·0.001·9 + 0.001·36)/(1 − 0.999²); so for −4 and 16
PRECONDITIONER_CASES: tuple[PreconditionerCase, ...] = (
    PreconditionerCase(name="adam", made=(0.96518, 0.24770)),
    PreconditionerCase(name="diagonal", made=(2.0, 1.5)),
)

ids: Callable[[LossCase | ParametersCase | PreconditionerCase], str] = lambda case: case.name  # noqa: E731
