"""The features of a sample: a run's own, from its folder, and another model's under the run's settings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spice_select.agreement.targets import split_off
from spice_select.data.records import Sample
from spice_select.features import FeatureRequest, Gradients
from spice_select.features.proxy import find_proxy
from spice_select.features.stage import features_in_memory
from spice_select.methods.target import TargetSet
from spice_select.progress import Progress
from spice_select.run.finished import Run
from spice_select.run.settings import SelectSettings
from spice_select.settings.access import ModelAccess
from spice_select.store import FeatureBlock

_TRAINED = ("adapter", "warm", "warmup_rows", "precondition")
"""Settings that ask for something trained on the run's own model."""


def for_model(settings: SelectSettings, model: str | Path | None, access: ModelAccess) -> SelectSettings:
    """The run's settings with another model and its access: what was trained for the run's model stays behind."""
    plain = {"adapter": None, "warm": False, "warmup_rows": None, "warm_checkpoints": 1, "precondition": "none"}
    flat = {**settings.flat(), **access.alone()}
    fresh = {name: value for name, value in plain.items() if name in flat}
    return SelectSettings.from_flat({**flat, **fresh, "model": None if model is None else str(model)})


def own_features(
    run: Run, examples: Sequence[Sample], aims: Sequence[Sample], progress: Progress
) -> tuple[FeatureBlock, TargetSet | None, tuple[str, ...]]:
    """The run's own features of the sample and of its target: from its folder, computed only where its weights moved.

    Args:
        run: the run.
        examples: the sample.
        aims: the target's rows; not read where nothing is computed.
        progress: shown the work.
    """
    if run.settings.selection.schedule == "interleaved":
        plain = for_model(run.settings, run.settings.proxy.model, run.settings.proxy)
        name = run.manifest["identity"]["model"]
        note = "The run's model moved while it selected; compared are its gradients before it moved."
        block = features_of_sample(plain, name, [*examples, *aims], progress)
        return (*split_off(run, block, len(examples)), (note,))
    block = run.features
    notes: tuple[str, ...] = ()
    if any(getattr(run.settings.gradients, name, None) not in (None, False, "none") for name in _TRAINED):
        notes = ("The run's gradients are of a warm or preconditioned adapter; the other model's are of a fresh LoRA.",)
    return block.take(np.searchsorted(block.rows, [example.row for example in examples])), run.target, notes


def features_of_sample(
    settings: SelectSettings, name: str, examples: Sequence[Sample], progress: Progress
) -> FeatureBlock:
    """Features of the examples under the settings' model, in their order; kept in memory, not on disk."""
    proxy = find_proxy(settings.request)
    compute = Gradients.of(
        FeatureRequest(proxy=settings.request, model=name, examples=examples, progress=progress)
    ).open()
    tokens = proxy.batch_tokens(settings.gradients)
    with progress.task(f"Gradients of {name}", sum(one.num_tokens for one in examples), "tokens") as advance:
        return features_in_memory(compute, examples, batch_tokens=tokens, advance=advance)


def reseeded_features(settings: SelectSettings, examples: Sequence[Sample], progress: Progress) -> FeatureBlock:
    """The features of the run's own model under another seed of LoRA and sketch."""
    plain = for_model(settings, settings.proxy.model, settings.proxy)
    gradients = plain.gradients.model_copy(update={"proxy_seed": settings.request.seed + 1})
    changed = plain.model_copy(update={"gradients": gradients})
    return features_of_sample(changed, "the run's model, another seed", examples, progress)
