"""The parts of one feature of a run: what they are made from, and where they lie."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spice_select.data.records import Example
from spice_select.features import FEATURES, FeatureRequest
from spice_select.features.proxy import Proxy
from spice_select.features.stage import FeatureParts
from spice_select.progress import Progress, Silent
from spice_select.run.origin import feature_store, gradient_facts
from spice_select.run.settings import SelectSettings


def parts_of_feature(
    name: str,
    folder: Path,
    identity: Mapping[str, Any],
    examples: Sequence[Example],
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
    return FeatureParts(
        examples=examples,
        feature=FEATURES[name].of(request),
        store=store,
        batch_tokens=proxy.batch_tokens(settings.gradients),
        progress=progress or Silent(),
    )
