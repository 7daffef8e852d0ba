"""The proxy with its LoRA attached, ready to be trained and to yield gradients, and the check of the sketch on it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Sample
from spice_select.features.gradients import as_block
from spice_select.features.proxy import Proxy, batch_tokens, load_proxy
from spice_select.features.referenced import Referenced
from spice_select.gradients.build import check_affordable, lora_spec, make_engine, make_reference
from spice_select.gradients.fidelity import Fidelity, Probe, judge_sketch
from spice_select.gradients.lengths import refuse_long_rows
from spice_select.gradients.memory import features_within_memory
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.lora import attach_lora
from spice_select.progress import Progress
from spice_select.run.settings import InterleavedSettings, SelectSettings
from spice_select.schedules.interleaved.steps import ProxyTrainer, StepRecipe
from spice_select.store import FeatureBlock

PROBE_ROWS = 16


def open_trainer(
    settings: SelectSettings, proxy: Proxy, total_steps: int, examples: Sequence[Sample] = ()
) -> ProxyTrainer:
    """Load the proxy and attach a fresh LoRA: the one whose gradients a static run takes, B = 0 and A from the seed.

    Raises:
        InputError: as `load_model`; LoRA targets that name no layer; an example that is too long for the model.
    """
    request, moving = settings.request, settings.interleaved
    model = load_proxy(request).model
    refuse_long_rows(model, examples)
    spec = replace(lora_spec(settings.gradients), dropout=moving.lora_dropout)
    drawn = {layer.name: initial_a(layer, spec.rank, request.seed) for layer in spec.layers(model)}
    return ProxyTrainer(
        attach_lora(model, spec, drawn),
        step_recipe(moving, settings.selection.seed),
        total_steps=total_steps,
        batch_tokens=proxy.batch_tokens(settings.gradients),
        reference=make_reference(settings.gradients),
    )


def step_recipe(settings: InterleavedSettings, seed: int) -> StepRecipe:
    """How the proxy is trained, as the settings say."""
    return StepRecipe(
        learning_rate=settings.learning_rate,
        warmup=settings.warmup,
        decay=settings.decay,
        weight_decay=settings.weight_decay,
        clip_norm=settings.clip_norm,
        seed=seed,
    )


class MovingGradients:
    """Gradients with respect to A and B of the trainer's adapter, always at its current state: a `Compute`."""

    def __init__(self, settings: SelectSettings, trainer: ProxyTrainer) -> None:
        self._engine, self._trainer = make_engine(settings.gradients, settings.request.seed), trainer
        self._held = dict[int, Referenced]()
        check_affordable(self._engine, trainer.model)

    def prepare(self, batches: Sequence[Sequence[Sample]]) -> None:
        """Find what pairs are held against, before the LoRA is folded into the weights and cannot be turned off."""
        found = [(batch, Referenced.of(self._trainer.reference, self._trainer.model, batch)) for batch in batches]
        self._held = {batch[0].row: one for batch, one in found if one is not None}

    def __call__(self, batch: Sequence[Sample]) -> FeatureBlock:
        """The gradients of a batch; of one of pairs, those that were prepared."""
        gradients = features_within_memory(self._engine, self._trainer.model, batch)
        return as_block(batch, gradients, referenced=self._held.get(batch[0].row))


def probe_fidelity(
    settings: SelectSettings,
    trainer: ProxyTrainer,
    examples: Sequence[Sample],
    features: NDArray[np.float32],
    progress: Progress,
) -> Fidelity | None:
    """Exact against sketched inner products of up to `PROBE_ROWS` rows whose features are of the trainer's state.

    Args:
        examples: rows met since the last update.
        features: their features ``[n, d]``.
    """
    engine, seed = make_engine(settings.gradients, settings.request.seed), settings.selection.seed
    tokens = batch_tokens(settings.gradients, next(trainer.model.parameters()).device.type)
    probe = Probe(rows=PROBE_ROWS, seed=seed, batch_tokens=tokens)
    return judge_sketch(engine, trainer.model, examples, features, probe, progress)
