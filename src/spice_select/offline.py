"""Selection with a proxy that stands still: all gradients first, then one choice from all of them."""

from collections.abc import Sequence

from spice_select.checked_sketch import checked_sketch
from spice_select.choice import choose, information, normalised, priced, usable
from spice_select.chosen import RANDOM_DRAWS, Chosen, refuse_empty
from spice_select.clock import Clock
from spice_select.config import SelectSettings
from spice_select.data.budget import Budget
from spice_select.data.records import Example
from spice_select.diagnosis.certificate import certificate
from spice_select.diagnosis.curvature import curvature
from spice_select.diagnosis.versus_random import versus_random
from spice_select.engines import executor_for
from spice_select.gradients.fidelity import Fidelity
from spice_select.gradients.stage import compute_features
from spice_select.origin import feature_store, origin_of
from spice_select.progress import Progress
from spice_select.proxy import Proxy, ProxyEngine
from spice_select.reuse import reuse_gradients
from spice_select.run import IDENTITY, RunFolder
from spice_select.store import FeatureBlock


def choose_offline(
    run: RunFolder,
    examples: Sequence[Example],
    budget: Budget,
    settings: SelectSettings,
    proxy: Proxy,
    progress: Progress,
    clock: Clock,
) -> Chosen:
    """Gradients of every example at the proxy as it came, and the choice from them.

    Raises:
        InputError: no row has a finite gradient, or as `choose`.
    """
    reuse_gradients(run, progress)
    identity = run.read_json(IDENTITY)
    origin, store = origin_of(identity), feature_store(run.path, identity)
    engine = ProxyEngine(settings, proxy.identity.name, progress, examples=examples, folder=store.folder, origin=origin)
    with clock("gradients"):
        parts, block = compute_features(
            examples,
            engine.gradients,
            store,
            batch_tokens=proxy.batch_tokens(settings.gradients),
            progress=progress,
            executor=executor_for(run.path, store.folder, device=settings.proxy.device, tell=progress.note),
        )
        features, unusable = usable(block)
    refuse_empty(features, unusable)
    with clock("fidelity"):
        fidelity = checked_sketch(run, origin, lambda: _fidelity(settings, engine, examples, features))
    with clock("selection"):
        matrix = normalised(features.features, settings.selection.normalise)
        groups = {example.row: example.source for example in examples}
        sources = [groups[int(row)] for row in features.rows]
        chosen = choose(matrix, features, sources, budget, settings.selection, progress)
    with clock("judging"):
        objective, seed = information(settings.selection), settings.selection.seed
        versus = versus_random(matrix, chosen, objective, draws=RANDOM_DRAWS, seed=seed)
        proof = certificate(matrix, chosen, objective, **priced(features, budget))
        bent = curvature(matrix, objective) if settings.selection.objective == "log-det" else None
    return Chosen(
        parts=parts,
        features=features,
        unusable=unusable,
        selection=chosen,
        versus=versus,
        certificate=proof,
        curvature=bent,
        fidelity=fidelity,
    )


def _fidelity(
    settings: SelectSettings, engine: ProxyEngine, examples: Sequence[Example], features: FeatureBlock
) -> Fidelity | None:
    """What the sketch does to inner products; None where there is no sketch to judge."""
    if settings.gradients.sketch == "identity" or len(features.rows) < 2:
        return None
    by_row = {example.row: example for example in examples}
    return engine.fidelity([by_row[int(row)] for row in features.rows], features.features)
