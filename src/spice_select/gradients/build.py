"""From settings to objects: which parameters, which sketch, which loss; combinations that make no sense are refused."""

from collections.abc import Callable

from torch import nn

from spice_select.errors import InputError
from spice_select.gradients.base import Parameters
from spice_select.gradients.hooks import HookEngine
from spice_select.gradients.loss import ResponseLoss, TokenMean, TokenSum
from spice_select.gradients.parameters.lora import LoraGradients
from spice_select.gradients.parameters.weights import FullWeights, LastLayer
from spice_select.gradients.preconditioner import AdamDiagonal, AdamState, AdamUpdate, Preconditioner
from spice_select.gradients.settings import GradientSettings
from spice_select.models.lora import LoraSpec
from spice_select.sketch import Identity, Kronecker, Rademacher, Sketch, SparseJL

IDENTITY_LIMIT = 1 << 24
"""Longest gradient that `--sketch identity` keeps whole: 64 MiB a row."""
RADEMACHER_LIMIT = 1 << 36
"""Most signs (parameters × dimensions) that `--sketch rademacher` draws a batch: minutes on one core."""
SPARSE_LIMIT = 1 << 29
"""Most parameters that `--sketch sparse-jl` holds an operator for: 8 bytes each, so 4 GiB."""

_LOSSES: dict[str, Callable[[], ResponseLoss]] = {"mean": TokenMean, "sum": TokenSum}


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
        _preconditioner(settings, state),
    )


def make_loss(settings: GradientSettings) -> ResponseLoss:
    """The reduction of token losses by its name in the settings."""
    return _LOSSES[settings.loss]()


def _preconditioner(settings: GradientSettings, state: AdamState | None) -> Preconditioner | None:
    if settings.precondition == "none":
        return None
    if state is None:
        raise InputError(f"--precondition {settings.precondition}: there are no Adam moments here")
    return AdamUpdate(state) if settings.precondition == "adam" else AdamDiagonal(state)


def make_parameters(settings: GradientSettings, seed: int) -> Parameters:
    """The choice of parameters by its name in the settings."""
    if settings.parameters == "last-layer":
        return LastLayer()
    if settings.parameters == "full":
        return FullWeights(last_blocks=settings.last_blocks)
    return LoraGradients(lora_spec(settings), seed=seed)


def lora_spec(settings: GradientSettings) -> LoraSpec:
    """Placement, rank and scale of the LoRA whose gradients are taken."""
    return LoraSpec(
        rank=settings.lora_rank,
        alpha=settings.lora_alpha,
        targets=tuple(settings.lora_targets) or None,
        last_blocks=settings.last_blocks,
    )


def make_sketch(settings: GradientSettings, seed: int) -> Sketch:
    """The sketch by its name in the settings."""
    if settings.sketch == "identity":
        return Identity()
    if settings.sketch == "kronecker":
        return Kronecker(settings.sketch_dim, side=settings.sketch_side, seed=seed)
    return {"sparse-jl": SparseJL, "rademacher": Rademacher}[settings.sketch](settings.sketch_dim, seed=seed)


def check_affordable(engine: HookEngine, model: nn.Module) -> None:
    """Refuse a sketch that this many parameters would make absurdly long or slow.

    Raises:
        InputError: the message says how many parameters there are and what to give instead.
    """
    count, sketch = engine.parameters.coverage(model).num_parameters, engine.sketch
    remedy = "--sketch kronecker, fewer parameters (--last-blocks, --parameters lora), or"
    if isinstance(sketch, Identity) and count > IDENTITY_LIMIT:
        raise InputError(
            f"--sketch identity with {count:,} parameters: every row would take {count * 4 / 1e9:,.1f} GB. Give "
            f"{remedy} --sketch sparse-jl."
        )
    if isinstance(sketch, Rademacher) and count * sketch.dim > RADEMACHER_LIMIT:
        raise InputError(
            f"--sketch rademacher with {count:,} parameters and {sketch.dim:,} dimensions: {count * sketch.dim:,} "
            f"signs would be drawn for every batch. Give {remedy} --sketch sparse-jl."
        )
    if isinstance(sketch, SparseJL) and count > SPARSE_LIMIT:
        raise InputError(
            f"--sketch sparse-jl with {count:,} parameters: it would hold {count * 8 / 1e9:,.0f} GB of positions and "
            f"signs. Give {remedy} a smaller proxy."
        )
