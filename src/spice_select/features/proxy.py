"""The proxy of a run: known by its identity and tokenizer at once, its weights loaded only when gradients are due."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.data.batches import default_token_budget
from spice_select.data.encoding.template import ChatTemplate
from spice_select.data.records import PairExample, Sample
from spice_select.errors import InputError
from spice_select.features.kept import is_warmed, load_warmed, save_warmed
from spice_select.features.referenced import Referenced
from spice_select.features.request import ProxyRequest
from spice_select.features.warm import Warm, adapter_hash, base_of, load_warm
from spice_select.features.warm_plan import plan_warmup
from spice_select.features.warmup import train_warmup
from spice_select.gradients import BatchGradients, Engine, HookEngine, build
from spice_select.gradients.checkpoints import Checkpoint, CheckpointEngine
from spice_select.gradients.fidelity import Fidelity, Probe, judge_sketch
from spice_select.gradients.lengths import refuse_long_rows
from spice_select.gradients.memory import features_within_memory
from spice_select.gradients.pairs.dpo import DpoReference
from spice_select.gradients.settings import GradientSettings
from spice_select.models.adapters import refuse_unplain_settings
from spice_select.models.contents import ADAPTER_CONFIG
from spice_select.models.embedded import conversion_due
from spice_select.models.identify import ModelIdentity, identify_model
from spice_select.models.load import Loaded, Source, load_model, load_tokenizer, read_tokenizer
from spice_select.models.precision import choose_device, choose_precision
from spice_select.models.recorded import changed_since
from spice_select.progress import Progress, Silent

_TOGETHER = 4
"""Rows of the sketch's probe in a batch."""


def batch_tokens(settings: GradientSettings, device: str) -> int:
    """Tokens in a batch on a kind of device; see `Proxy.batch_tokens`."""
    return settings.batch_tokens or default_token_budget(device)


@dataclass(frozen=True)
class Proxy:
    """A proxy model that is found, not yet loaded.

    Attributes:
        identity: its name and content.
        tokenizer: its tokenizer.
        device: where it will run, e.g. ``cpu``.
        dtype: the precision it will run in.
        reason: why this precision.
    """

    identity: ModelIdentity
    tokenizer: Any
    device: str
    dtype: str
    reason: str

    def batch_tokens(self, settings: GradientSettings) -> int:
        """Tokens in a batch: as asked, else what fills the device (activations take some 1.5 MB a token at 135M)."""
        return batch_tokens(settings, self.device)


class ProxyEngine:
    """The gradient engine of a run; the weights are loaded when the first gradient is asked for.

    Args:
        request: which proxy, which gradients, which seed.
        name: what the model is called.
        progress: told what goes on.
        examples: the corpus: a warm-up draws from it, and rows too long for the model are refused when it is loaded.
        folder: where a warm adapter is kept, so that a resumed run does not train it again.
        origin: what the run's gradients are made from; an adapter kept by another run is not taken.
    """

    def __init__(
        self,
        request: ProxyRequest,
        name: str,
        progress: Progress,
        *,
        examples: Sequence[Sample] = (),
        folder: Path | None = None,
        origin: str | None = None,
    ) -> None:
        self._request, self._name, self._progress = request, name, progress
        self._examples, self._folder, self._origin = examples, folder, origin

    def gradients(
        self, asked: Sequence[Sample] = (), *, plain: bool = False
    ) -> Callable[[Sequence[Sample]], BatchGradients]:
        """The engine, bound to the loaded model; however often it is asked for, the model is loaded once.

        Args:
            asked: rows beside those of the corpus that it will be asked of.
            plain: whether gradients are left as they are where the settings ask for a preconditioner.

        Raises:
            InputError: rows that the model cannot read.
        """
        opened = self._opened
        refuse_long_rows(opened.model, asked)
        return partial(features_within_memory, opened.engine(plain=plain), opened.model)

    def referenced(self, batch: Sequence[Sample]) -> Referenced | None:
        """What a batch of pairs is held against where the LoRA was trained; None otherwise, and of single answers."""
        if not self._request.gradients.warms_up or not isinstance(batch[0], PairExample):
            return None
        return Referenced.of(self._reference, self._opened.model, batch)

    @cached_property
    def _reference(self) -> DpoReference:
        return build.make_reference(self._request.gradients)

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """What each checkpoint weighs that gradients are taken at; (1.0,) where there is one state. Loads nothing."""
        asked = self._request.gradients
        plan = plan_warmup(asked, len(self._examples)) if asked.warm_checkpoints > 1 else None
        return (1.0,) if plan is None else plan.weights

    def fidelity(self, examples: Sequence[Sample], features: NDArray[np.float32]) -> Fidelity | None:
        """Exact against sketched inner products on a seeded draw of the corpus: one row in forty, 8 to 32 of them.

        Args:
            examples: the usable rows.
            features: their sketched gradients ``[n, d]``; of several checkpoints the last is judged.
        """
        opened, asked = self._opened, self._request
        engine, model = opened.engines[-1], opened.model
        probe = Probe(
            rows=max(8, min(32, len(examples) // 40)),
            seed=asked.seed,
            together=_TOGETHER,
            batch_tokens=batch_tokens(asked.gradients, next(model.parameters()).device.type),
        )
        if len(self.weights) > 1:
            features = np.split(features, len(self.weights), axis=1)[-1] / np.float32(self.weights[-1] ** 0.5)
        return judge_sketch(engine, model, examples, features, probe, self._progress)

    @cached_property
    def _opened(self) -> "_Opened":
        request = self._request
        warm = opened(
            request, self._name, self._progress, examples=self._examples, folder=self._folder, origin=self._origin
        )
        engine = build.make_engine(request.gradients, request.seed, warm.state)
        build.check_affordable(engine, warm.model)
        uncaptured = engine.parameters.coverage(warm.model).uncaptured
        if uncaptured:
            self._progress.note(
                f"Cannot be captured, so not in the gradients: {len(uncaptured)} weight matrices, e.g. {uncaptured[0]}."
            )
        return _Opened.of(engine, warm, request.gradients, self.weights)


@dataclass(frozen=True)
class _Opened:
    """A loaded model and what takes its gradients.

    Attributes:
        model: as it is at the last checkpoint.
        checkpoints: its adapter at each; none where it has one state.
        engines: the engine of each.
        weights: what each weighs.
    """

    model: nn.Module
    checkpoints: tuple[Checkpoint, ...]
    engines: tuple[HookEngine, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, last: HookEngine, warm: Warm, asked: GradientSettings, weights: tuple[float, ...]) -> "_Opened":
        conditioned = [build.make_preconditioner(asked, earlier.state) for earlier in warm.checkpoints[:-1]]
        engines = (*(last.conditioned(warm.model, each) for each in conditioned), last)
        adapters = tuple(Checkpoint(each.weights, None) for each in warm.checkpoints)  # engines keep what moments serve
        return cls(model=warm.model, checkpoints=adapters, engines=engines, weights=weights)

    def engine(self, *, plain: bool) -> Engine:
        """What gives a row's gradients, all checkpoints side by side; without preconditioner if `plain`."""
        engines = self.engines
        if plain and engines[-1].preconditioner is not None:
            engines = (engines[-1].conditioned(self.model, None),) * len(engines)
        if len(engines) == 1:
            return engines[0]
        return CheckpointEngine(self.checkpoints, engines, self.weights)


def opened(
    request: ProxyRequest,
    name: str,
    progress: Progress,
    *,
    examples: Sequence[Sample] = (),
    folder: Path | None = None,
    origin: str | None = None,
) -> Warm:
    """The proxy with its weights, and with the adapter that was asked for; arguments as those of `ProxyEngine`.

    Raises:
        InputError: the model cannot be loaded or cannot read a row, or as `warmed`.
    """
    with progress.task(f"Loading {name}", 1, "model") as advance:
        loaded = load_proxy(request)
        advance(1)
    refuse_long_rows(loaded.model, examples)
    return warmed(loaded.model, request, examples, folder, progress, origin=origin)


def warmed(
    model: nn.Module,
    request: ProxyRequest,
    examples: Sequence[Sample],
    folder: Path | None = None,
    progress: Progress | None = None,
    *,
    origin: str | None = None,
) -> Warm:
    """The model with the adapter whose gradients are asked for: as it is, trained on a few rows, or read from disk.

    Args:
        model: without adapters; changed in place where it gets one.
        request: which proxy, which gradients, which seed.
        examples: what a warm-up draws from.
        folder: where a warmed-up adapter is kept and found again; None to keep it nowhere.
        progress: told of the warm-up.
        origin: written into the adapter that is kept; one of another is not taken.

    Raises:
        InputError: as `load_warm` and `train_warmup`.
    """
    asked, moments = request.gradients, request.gradients.precondition != "none"
    if asked.adapter is not None:
        pickles = request.access.allow_pickle
        return load_warm(Path(asked.adapter).expanduser(), model, moments=moments, allow_pickle=pickles)
    count = asked.warm_checkpoints
    if folder is not None and asked.warms_up and is_warmed(folder, count, origin=origin):
        return load_warmed(folder, count, model, moments=moments)
    tokens = batch_tokens(asked, next(model.parameters()).device.type)
    how = plan_warmup(asked, len(examples), batch_tokens=tokens, seed=request.seed)
    if how is None:
        return Warm(model=model, state=None)
    progress = progress or Silent()
    if how.passes > 1 or how.checkpoints > 1:
        progress.note(how.sentence())
    spec = build.lora_spec(asked)
    with progress.task("Warming up", how.passes * how.rows, "rows") as advance:
        warm = train_warmup(
            model,
            examples,
            spec,
            how.of_pairs() if isinstance(examples[0], PairExample) else how,
            loss=build.make_loss(asked),
            reference=build.make_reference(asked),
            advance=advance,
        )
    if folder is not None:
        save_warmed(folder, warm, spec, how.weights, base=base_sums(request), origin=origin)
    return warm


def find_proxy(request: ProxyRequest, progress: Progress | None = None) -> Proxy:
    """Identify the proxy and load its tokenizer.

    Raises:
        InputError: as `load_model`.
    """
    due = conversion_due() if request.access.model is None else None
    if due is not None and progress is not None:
        progress.note(f"Converting the embedded proxy into {due} (once, about half a minute) …")
    access = request.access
    place = choose_device(access.device)
    precision = choose_precision(access.dtype, place)
    identity = _base(request)
    proxy = Proxy(
        identity=_with_adapter(identity, request.gradients.adapter),
        tokenizer=load_tokenizer(access.model, **access.keywords()),
        device=place.type,
        dtype=str(precision.dtype).removeprefix("torch."),
        reason=precision.reason,
    )
    if request.gradients.adapter is not None and progress is not None:
        for note in _adapter_notes(request, identity, proxy.tokenizer):
            progress.note(note)
    return proxy


def _base(request: ProxyRequest) -> ModelIdentity:
    """The model without what a run trains or puts on it."""
    access = request.access
    return identify_model(access.model, allow_pickle=access.allow_pickle, **access.keywords())


def base_sums(request: ProxyRequest) -> dict[str, str]:
    """What tells the base of an adapter from other models."""
    return _base(request).sums


def _with_adapter(identity: ModelIdentity, adapter: str | None) -> ModelIdentity:
    """A model with a trained adapter is another model."""
    if adapter is None:
        return identity
    folder = Path(adapter).expanduser()
    digest = adapter_hash(folder)
    if (folder / ADAPTER_CONFIG).is_file():
        refuse_unplain_settings(folder, use="gradients")  # now, and not after the rows are encoded
    return replace(
        identity, name=f"{identity.name} + {adapter}", weights_hash=f"{identity.weights_hash}+{digest}".lstrip("+")
    )


def _adapter_notes(request: ProxyRequest, base: ModelIdentity, tokenizer: Any) -> Iterator[str]:
    """What a person should know of an adapter on this base: that it was trained on another, or shown other tokens."""
    adapter = Path(str(request.gradients.adapter)).expanduser()
    recorded = base_of(adapter)
    change = None if recorded is None else changed_since(base, recorded)
    if change is not None:
        yield f"Adapter {adapter}: the model that it is put on is not the one it was trained on; {change}."
    if not (adapter / "tokenizer_config.json").is_file():
        return
    place = Source(str(adapter), str(adapter), adapter)
    try:
        own = read_tokenizer(
            place, allow_network=False, trust_remote_code=request.access.trust_remote_code, revision=None
        )
        same = ChatTemplate(own).hash == ChatTemplate(tokenizer).hash
    except InputError as error:  # it is not used here, so it is no reason to stop
        yield f"Adapter {adapter}: rows are shown by its base's tokenizer; its own cannot be used: {error}"
        return
    if not same:
        yield (
            f"Adapter {adapter}: it brings a tokenizer with another chat template than its base's, and rows are shown "
            "by the base's. Where it was trained under its own, copy its tokenizer files into the base's folder."
        )


def load_proxy(request: ProxyRequest) -> Loaded:
    """Load the proxy's weights."""
    return load_model(
        request.access.model,
        dtype=request.access.dtype,
        device=request.access.device,
        allow_pickle=request.access.allow_pickle,
        **request.access.keywords(),
    )
