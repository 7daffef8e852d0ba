"""From settings to objects: which parameters, sketch and loss; a sketch that nobody could wait for is refused."""

from torch import nn

from spice_select.errors import InputError
from spice_select.gradients import LOSSES, PARAMETERS, PRECONDITIONERS
from spice_select.gradients.base import Parameters
from spice_select.gradients.hooks import HookEngine
from spice_select.gradients.losses.base import ResponseLoss
from spice_select.gradients.pairs import PAIR_GRADIENTS, PairGradient
from spice_select.gradients.pairs.dpo import DpoReference
from spice_select.gradients.parameters.lora import lora_spec as lora_spec
from spice_select.gradients.preconditioner import AdamState, Preconditioner
from spice_select.gradients.settings import GradientSettings
from spice_select.sketch import SKETCHES, ListedSketch, Sketch, SketchRequest


def make_engine(settings: GradientSettings, seed: int, state: AdamState | None = None) -> HookEngine:
    """The gradient engine that the settings describe.

    Args:
        settings: what is asked.
        seed: of the LoRA and the sketch.
        state: Adam's moments, where gradients are to be preconditioned.

    Raises:
        InputError: preconditioning without Adam's moments.
    """
    return HookEngine(
        make_parameters(settings, seed),
        make_sketch(settings, seed),
        make_loss(settings),
        make_preconditioner(settings, state),
        make_pair_gradient(settings),
    )


def make_loss(settings: GradientSettings) -> ResponseLoss:
    """The reduction of token losses by its name in the settings."""
    return LOSSES[settings.loss].load()()


def make_pair_gradient(settings: GradientSettings) -> PairGradient:
    """How pairs are weighed, by its name in the settings; rows that are no pairs do without."""
    return PAIR_GRADIENTS[settings.pair_gradient].load().of(settings)


def make_reference(settings: GradientSettings) -> DpoReference:
    """What pairs are held against while a proxy moves."""
    return DpoReference(make_pair_gradient(settings), settings.pair_beta)


def make_preconditioner(settings: GradientSettings, state: AdamState | None) -> Preconditioner | None:
    """What is done to gradients before the sketch; None for nothing. Raises InputError without Adam's moments."""
    if settings.precondition == "none":
        return None
    if state is None:
        raise InputError(f"--precondition {settings.precondition}: there are no Adam moments here")
    return PRECONDITIONERS[settings.precondition].load().of(state)


def make_parameters(settings: GradientSettings, seed: int) -> Parameters:
    """The choice of parameters by its name in the settings."""
    return PARAMETERS[settings.parameters].load().of(settings, seed)


def make_sketch(settings: GradientSettings, seed: int) -> Sketch:
    """The sketch by its name in the settings."""
    asked = SketchRequest(dim=settings.sketch_dim, side=settings.sketch_side, seed=seed)
    return SKETCHES[settings.sketch].load().of(asked)


def check_affordable(engine: HookEngine, model: nn.Module) -> None:
    """Refuse a sketch that this many parameters would make absurdly long or slow.

    Raises:
        InputError: the message says how many parameters there are and what to give instead.
    """
    if not isinstance(engine.sketch, ListedSketch):
        return  # a sketch of one's own, which one knows the cost of
    refusal = engine.sketch.refusal(engine.parameters.coverage(model).num_parameters)
    if refusal is not None:
        raise InputError(refusal)
