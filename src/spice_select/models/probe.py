"""How a model uses its linear layers, seen on two short rows: what can be captured, and where care is due.

A layer's gradients follow from its input and the gradient at its output, if all of these hold: the layer is called (and
its weight is not read by other code instead), its tensors keep rows apart, and nobody changes them
afterwards. Architectures break each of these, so a model is asked, once, by forward passes of 2 × 8 tokens. Of
``[rows·tokens, ·]`` the length does not tell the order (experts that are modules of their own are given the tokens that
chose them first, then the others): what a layer is given must change places as the rows do.
"""

import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

ROWS, TOKENS = 2, 8
"""Shape of the probe."""
_LAST_NUMBER = re.compile(r"\.\d+(?=(\.\D[^.]*)*$)")
"""In a layer's name that of the expert, in ``layers.0.experts.3.up_proj``, or of the block."""
_SAME = {torch.bfloat16: 0.01, torch.float16: 0.01}
"""Largest relative change of logits that rounding explains, by the type of weights; 2e-5 in other types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What was seen of a model's linear layers, each by its module.

    Attributes:
        bypassed: never called, and yet their weights have a part in the logits: other code multiplies by them.
        mingled: called with tensors that do not tell rows apart, and layers like these: other experts of the same list.
        inputs_changed: their input is changed in place after they have run.
        outputs_changed: their output is changed in place.
        idle: matrices that have no part in the logits: of layers that are never called, or among the others asked of.
        causal: whether a token's logits are free of the tokens after it.
    """

    bypassed: frozenset[nn.Module]
    mingled: frozenset[nn.Module]
    inputs_changed: frozenset[nn.Module]
    outputs_changed: frozenset[nn.Module]
    idle: frozenset[Tensor]
    causal: bool

    @property
    def uncapturable(self) -> frozenset[nn.Module]:
        """Layers whose gradients do not follow from what a hook sees."""
        return self.bypassed | self.mingled


_KNOWN: "weakref.WeakKeyDictionary[nn.Module, Conduct]" = weakref.WeakKeyDictionary()


def conduct_of(
    model: nn.Module, layers: Sequence[nn.Module], others: Sequence[nn.Parameter], vocabulary: int
) -> Conduct:
    """How a model treats its layers. Asked once a model: four forward passes of 16 tokens at most.

    Args:
        model: a causal language model, on any device.
        layers: all its linear layers, the output head left out.
        others: its matrices outside any layer that is known.
        vocabulary: how many tokens it knows.
    """
    if model not in _KNOWN:
        ids = _rows(vocabulary).to(next(model.parameters()).device)
        with _frozen_evaluation(model):
            logits = _watch(model, (), ids)[1]
            apart = _rows_apart(vocabulary).to(ids.device)
            calls, swapped = (_watch(model, layers, rows)[0] for rows in (apart, apart.flip(0)))
            silent = {weight: layer for layer in layers if not calls[layer] for weight in _weight(layer)}
            asked = [*silent, *(other for other in others if other.is_floating_point())]
            used = _used(model, asked, ids) if asked else set()
        _KNOWN[model] = Conduct(
            bypassed=frozenset(layer for weight, layer in silent.items() if weight in used),
            mingled=_with_siblings(model, layers, _mingled(calls, swapped)),
            inputs_changed=_those(calls, lambda call: call.input_changed),
            outputs_changed=_those(calls, lambda call: call.output_changed),
            idle=frozenset(asked) - used,
            causal=_is_causal(model, logits),
        )
    return _KNOWN[model]


def is_causal(model: nn.Module, vocabulary: int | None = None) -> bool:
    """Whether a token's logits are free of the tokens after it. Cost: a forward pass of 16 tokens.

    Args:
        model: a language model, on any device.
        vocabulary: how many tokens it knows; None where it does not say.
    """
    ids = _rows(vocabulary or TOKENS + 2).to(next(model.parameters()).device)
    whole: Any = model
    with _frozen_evaluation(model), torch.no_grad():
        return _is_causal(model, whole(input_ids=ids, use_cache=False).logits)


def text_model(model: nn.Module) -> nn.Module:
    """The part of a model that reads text, without towers for images and the like, and without the output head."""
    find = getattr(model, "get_decoder", None)
    found: Any = find() if callable(find) else None
    return found if isinstance(found, nn.Module) else model


def by_row(shape: Sequence[int], rows: int, tokens: int) -> bool:
    """Whether a layer's tensor tells rows apart: ``[rows, …, tokens, …, ·]`` or ``[rows·tokens, ·]``."""
    return tuple(shape[:-1]) == (rows * tokens,) or (shape[0] == rows and tokens in shape[1:-1])


class _Call:
    """One call of a layer; what it saw is held until the forward pass is over."""

    def __init__(self, given: Tensor, returned: Tensor) -> None:
        self.by_row = by_row(given.shape, ROWS, TOKENS) and by_row(returned.shape, ROWS, TOKENS)
        self._given, self._returned = given, returned
        self._versions = given._version, returned._version

    def follows(self, swapped: "_Call") -> bool:
        """Whether tokens change places as the rows do; each must come nearer its own place than the other row's."""
        if not (self.by_row and swapped.by_row):
            return False
        if self._given.shape[0] != ROWS * TOKENS:
            return True  # rows have a dimension of their own
        here, there = (call._given.float().reshape(ROWS, TOKENS, -1) for call in (self, swapped))
        due, size = here.flip(0), torch.linalg.vector_norm(here, dim=-1).flip(0)
        moved, apart = (torch.linalg.vector_norm(due - other, dim=-1) for other in (there, here))
        return not bool((moved > apart / 2 + _SAME.get(self._given.dtype, 2e-5) * size).any())

    @property
    def input_changed(self) -> bool:
        return self._given._version != self._versions[0]

    @property
    def output_changed(self) -> bool:
        return self._returned._version != self._versions[1]


def _watch(model: Any, layers: Sequence[nn.Module], ids: Tensor) -> tuple[Mapping[nn.Module, list[_Call]], Tensor]:
    calls: dict[nn.Module, list[_Call]] = {layer: [] for layer in layers}

    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> None:
        calls[module].append(_Call(args[0] if args else next(iter(kwargs.values())), output))

    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_hook(note, with_kwargs=True).remove)
        with torch.no_grad():
            return calls, model(input_ids=ids, use_cache=False).logits


def _rows_apart(vocabulary: int) -> Tensor:
    """Two rows that differ in every token."""
    return torch.arange(1, ROWS * TOKENS + 1).view(ROWS, TOKENS) % vocabulary


def _rows(vocabulary: int) -> Tensor:
    """Two rows that differ in their last token alone."""
    ids = torch.arange(1, TOKENS + 1).repeat(ROWS, 1)
    ids[1, -1] += 1
    return ids % vocabulary


def _is_causal(model: nn.Module, logits: Tensor) -> bool:
    """Rows that differ in their last token have the same logits before it, up to rounding. NaN proves nothing.

    Rounding is that of the coarsest weights: some models (Mamba, Nemotron-H) give logits of bfloat16 layers as float32.
    """
    first, second = logits[:, :-1].float()
    change = torch.linalg.vector_norm(first - second) / torch.linalg.vector_norm(first)
    kinds = {logits.dtype, *(parameter.dtype for parameter in model.parameters())}
    return not bool(change > max(_SAME.get(kind, 2e-5) for kind in kinds))


def _weight(layer: nn.Module) -> Iterator[nn.Parameter]:
    weight = getattr(layer, "weight", None)
    if isinstance(weight, nn.Parameter) and weight.is_floating_point():
        yield weight


def _those(calls: Mapping[nn.Module, list["_Call"]], holds: Callable[["_Call"], bool]) -> frozenset[nn.Module]:
    return frozenset(layer for layer, made in calls.items() if any(holds(call) for call in made))


def _mingled(
    calls: Mapping[nn.Module, list["_Call"]], swapped: Mapping[nn.Module, list["_Call"]]
) -> frozenset[nn.Module]:
    """Layers that are given what is not in the order of the rows; from two passes, rows one way and the other."""
    return frozenset(
        layer
        for layer, made in calls.items()
        if len(made) != len(swapped[layer])
        or not all(one.follows(other) for one, other in zip(made, swapped[layer], strict=True))
    )


def _with_siblings(model: nn.Module, layers: Sequence[nn.Module], found: frozenset[nn.Module]) -> frozenset[nn.Module]:
    """With those that differ from them by the last number in their names: experts that these few tokens did not reach,
    or reached in the order of the rows by chance.
    """
    if not found:
        return found
    families = {module: _LAST_NUMBER.sub(".#", name) for name, module in model.named_modules()}
    mingled = {families[module] for module in found}
    return frozenset(layer for layer in layers if families[layer] in mingled)


def _used(model: Any, parameters: Sequence[nn.Parameter], ids: Tensor) -> set[nn.Parameter]:
    """Those of the parameters that the logits depend on, as autograd records it."""
    asked = set(parameters)
    for parameter in asked:
        parameter.requires_grad_(True)
    with torch.enable_grad():
        logits = model(input_ids=ids, use_cache=False).logits
    found, seen, queue = set(), set(), [logits.grad_fn]
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None and variable in asked:
            found.add(variable)
        queue += [before for before, _ in node.next_functions]
    return found


@contextmanager
def _frozen_evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, no parameter requires a gradient; everything put back on leaving."""
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        for module, training in modes:
            module.training = training
