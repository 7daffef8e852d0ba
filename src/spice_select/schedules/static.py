"""Selection with a proxy that stands still: all gradients first, then one choice from all of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spice_select.config import SelectionSettings, SelectSettings
from spice_select.data.records import Example
from spice_select.diagnosis.certificates import Certificate, certificate
from spice_select.diagnosis.curvature import Curvature, curvature
from spice_select.diagnosis.matrix import read
from spice_select.diagnosis.versus_random import RandomComparison, versus_random
from spice_select.executors import executor_for
from spice_select.features.proxy import Proxy, ProxyEngine
from spice_select.features.stage import compute_features
from spice_select.gradients.fidelity import Fidelity
from spice_select.methods.budget import Budget
from spice_select.methods.choice import choose, information, normalised, priced, usable
from spice_select.progress import Progress
from spice_select.progress.clock import Clock
from spice_select.run.folder import IDENTITY, RunFolder
from spice_select.run.origin import feature_store, origin_of
from spice_select.run.outcome import RANDOM_DRAWS, Outcome, refuse_empty
from spice_select.run.reuse import reuse_gradients
from spice_select.run.sketch_check import checked_sketch
from spice_select.selection import Selection
from spice_select.store import FeatureBlock


def choose_offline(
    run: RunFolder,
    examples: Sequence[Example],
    budget: Budget,
    settings: SelectSettings,
    proxy: Proxy,
    progress: Progress,
    clock: Clock,
) -> Outcome:
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
        versus, proof, bent = _judged(matrix, chosen, features, budget, settings.selection, progress)
    return Outcome(
        parts=parts,
        features=features,
        unusable=unusable,
        selection=chosen,
        versus=versus,
        certificate=proof,
        curvature=bent,
        fidelity=fidelity,
    )


def _judged(
    matrix: NDArray[np.floating],
    chosen: Selection,
    features: FeatureBlock,
    budget: Budget,
    settings: SelectionSettings,
    progress: Progress,
) -> tuple[RandomComparison, Certificate, Curvature | None]:
    """How good the choice is: beside random ones, beside the best possible, and what greedy promises here.

    A step is a factorisation of as many rows as were chosen; the others work on all rows. The curvature's
    factorisation of all rows serves the certificate too.
    """
    objective, over_all = information(settings), max(1, len(matrix) // max(1, len(chosen)))
    with progress.task("Judging", RANDOM_DRAWS + 1 + 4 * over_all, "steps") as advance:
        rows = read(matrix)
        versus = versus_random(rows, chosen, objective, draws=RANDOM_DRAWS, seed=settings.seed, progress=advance)
        bent = curvature(rows, objective) if settings.objective == "log-det" else None
        advance(2 * over_all)
        proof = certificate(rows, chosen, objective, **priced(features, budget))
        advance(2 * over_all)
    return versus, proof, bent


def _fidelity(
    settings: SelectSettings, engine: ProxyEngine, examples: Sequence[Example], features: FeatureBlock
) -> Fidelity | None:
    """What the sketch does to inner products; None where there is no sketch to judge."""
    if settings.gradients.sketch == "identity" or len(features.rows) < 2:
        return None
    by_row = {example.row: example for example in examples}
    return engine.fidelity([by_row[int(row)] for row in features.rows], features.features)
