"""The proxy of a run: known by its identity and tokenizer at once, its weights loaded only when gradients are due."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from spice_select.config import GradientSettings, ProxySettings, SelectSettings
from spice_select.data.records import Example
from spice_select.gradients import HookEngine, LoraGradients, ResponseLoss, TokenMean, TokenSum
from spice_select.gradients.backoff import features_within_memory
from spice_select.gradients.fidelity import Fidelity, compare, exact_gradients
from spice_select.gradients.stage import Gradients
from spice_select.models.embedded import conversion_due
from spice_select.models.identify import ModelIdentity, identify_model
from spice_select.models.load import Loaded, load_model, load_tokenizer
from spice_select.models.lora import LoraSpec
from spice_select.models.precision import choose_device, choose_precision
from spice_select.progress import Progress
from spice_select.sketch import Identity, Rademacher, Sketch, SparseJL

_LOSSES: dict[str, Callable[[], ResponseLoss]] = {"mean": TokenMean, "sum": TokenSum}


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
        return settings.batch_tokens or (2048 if self.device == "cpu" else 16384)


class ProxyEngine:
    """The gradient engine of a run; the weights are loaded when the first gradient is asked for."""

    def __init__(self, settings: SelectSettings, name: str, progress: Progress) -> None:
        self._settings, self._name, self._progress = settings, name, progress

    def gradients(self) -> Gradients:
        """The engine, bound to the loaded model."""
        engine, model = self._opened
        return partial(features_within_memory, engine, model)

    def fidelity(self, examples: Sequence[Example], features: NDArray[np.float32]) -> Fidelity:
        """Exact against sketched inner products on a seeded draw of the corpus: one row in forty, 8 to 32 of them.

        Args:
            examples: the usable rows.
            features: their sketched gradients ``[n, d]``.
        """
        engine, model = self._opened
        size = min(len(examples), max(8, min(32, len(examples) // 40)))
        drawn = np.random.default_rng(self._settings.selection.seed).choice(len(examples), size, replace=False)
        gradients = []
        with self._progress.task("Checking the sketch", size, "rows") as advance:
            for index in drawn:
                gradients.append(exact_gradients(engine, model, [examples[index]]))
                advance(1)
        return compare(np.concatenate(gradients), features[drawn], sketch=engine.sketch.name)

    @cached_property
    def _opened(self) -> tuple[HookEngine, nn.Module]:
        settings = self._settings
        with self._progress.task(f"Loading {self._name}", 1, "model") as advance:
            loaded = load_proxy(settings)
            advance(1)
        engine = make_engine(settings)
        uncaptured = engine.parameters.coverage(loaded.model).uncaptured
        if uncaptured:
            self._progress.note(
                f"Not captured, so not in the gradients: {len(uncaptured)} weights that are no linear layers, "
                f"e.g. {uncaptured[0]}."
            )
        return engine, loaded.model


def find_proxy(settings: SelectSettings, progress: Progress | None = None) -> Proxy:
    """Identify the proxy and load its tokenizer. Raises InputError as `load_model` does."""
    due = conversion_due() if settings.proxy.model is None else None
    if due is not None and progress is not None:
        progress.note(f"Converting the embedded proxy into {due} (once, about half a minute) …")
    place = choose_device(settings.proxy.device)
    precision = choose_precision(settings.proxy.dtype, place)
    return Proxy(
        identity=identify_model(
            settings.proxy.model, allow_pickle=settings.proxy.allow_pickle, **_access(settings.proxy)
        ),
        tokenizer=load_tokenizer(settings.proxy.model, **_access(settings.proxy)),
        device=place.type,
        dtype=str(precision.dtype).removeprefix("torch."),
        reason=precision.reason,
    )


def load_proxy(settings: SelectSettings) -> Loaded:
    """Load the proxy's weights."""
    return load_model(
        settings.proxy.model,
        dtype=settings.proxy.dtype,
        device=settings.proxy.device,
        allow_pickle=settings.proxy.allow_pickle,
        **_access(settings.proxy),
    )


def make_engine(settings: SelectSettings) -> HookEngine:
    """The gradient engine that the settings describe."""
    spec, seed = lora_spec(settings.gradients), settings.selection.seed
    sketch = make_sketch(settings.gradients, seed)
    return HookEngine(LoraGradients(spec, seed=seed), sketch, _LOSSES[settings.gradients.loss]())


def _access(settings: ProxySettings) -> dict[str, Any]:
    return {
        "allow_network": settings.allow_network,
        "trust_remote_code": settings.trust_remote_code,
        "revision": settings.model_revision,
    }


def lora_spec(settings: GradientSettings) -> LoraSpec:
    """Placement, rank and scale of the LoRA whose gradients are taken."""
    return LoraSpec(rank=settings.lora_rank, alpha=settings.lora_alpha, targets=tuple(settings.lora_targets) or None)


def make_sketch(settings: GradientSettings, seed: int) -> Sketch:
    """The sketch by its name in the settings."""
    if settings.sketch == "identity":
        return Identity()
    return {"sparse-jl": SparseJL, "rademacher": Rademacher}[settings.sketch](settings.sketch_dim, seed=seed)
