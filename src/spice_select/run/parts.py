"""The parts of one feature of a run: what they are made from, and where they lie."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from spice_select.data.records import Sample
from spice_select.features import FEATURES, FeatureRequest, Gradients
from spice_select.features.forwards import ForwardFeature
from spice_select.features.kept import is_warmed
from spice_select.features.proxy import Proxy
from spice_select.features.stage import FeatureParts
from spice_select.progress import Progress, Silent
from spice_select.run.folder import RunFolder
from spice_select.run.origin import feature_store, gradient_facts, target_store
from spice_select.run.settings import SelectSettings
from spice_select.run.target import TargetRows


def parts_of_feature(
    name: str,
    folder: Path,
    identity: Mapping[str, Any],
    examples: Sequence[Sample],
    settings: SelectSettings,
    proxy: Proxy,
    progress: Progress | None = None,
) -> FeatureParts:
    """A feature of every example of a run, cut into parts that lie in a folder of its name.

    Args:
        name: of `FEATURES`.
        folder: of the run.
        identity: of the run.
        examples: in the order that decides the parts.
        settings, proxy: of the run.
        progress: shown the work; silent by default.
    """
    store = feature_store(folder, identity, name)
    request = FeatureRequest(
        proxy=settings.request,
        model=proxy.identity.name,
        examples=examples,
        folder=store.folder,
        origin=store.origin,
        facts=gradient_facts(identity),
        progress=progress or Silent(),
    )
    feature = FEATURES[name].of(request)
    warmed = partial(is_warmed, store.folder, settings.gradients.warm_checkpoints, origin=store.origin)
    warms_up = isinstance(feature, Gradients | ForwardFeature) and settings.gradients.warms_up
    return FeatureParts(
        examples=examples,
        feature=feature,
        store=store,
        batch_tokens=proxy.batch_tokens(settings.gradients),
        progress=progress or Silent(),
        prepared=warmed if warms_up else lambda: True,
    )


def parts_of_target(
    pool: FeatureParts, name: str, run: RunFolder, target: TargetRows, *, plain: bool, progress: Progress
) -> FeatureParts:
    """The same feature of the target's rows, by the engine of the pool's: a warm-up draws from the pool alone.

    Args:
        pool: the parts of the pool's rows.
        name: of the feature.
        run: the folder and identity of the run.
        target: its usable rows are computed, held out or not.
        plain: whether gradients are taken without the preconditioner that the pool's go through.
        progress: shown the work.
    """
    feature = pool.feature
    if isinstance(feature, Gradients):
        feature = feature.beside(target.examples)
        feature = feature.plain() if plain else feature
    return FeatureParts(
        examples=target.examples,
        feature=feature,
        store=target_store(run.path, run.identity, name, plain=plain),
        batch_tokens=pool.batch_tokens,
        progress=progress,
        prepared=pool.prepared,
    )
