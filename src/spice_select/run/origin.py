"""What gradients are made from: the facts of a run that decide them, told apart from those of the choice alone."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spice_select.diagnosis.suspects.settings import SuspectSettings
from spice_select.methods.base import GRADIENTS
from spice_select.methods.spice import SpiceSettings
from spice_select.run.address import address_of
from spice_select.run.settings import InterleavedSettings, SelectionSettings, TargetSettings
from spice_select.run.target import NO_TARGET
from spice_select.store import PartStore, parts_at

_ONLY_THE_CHOICE = (
    (SelectionSettings.model_fields.keys() - {"seed"})
    | SpiceSettings.model_fields.keys()
    | InterleavedSettings.model_fields.keys()
    | TargetSettings.model_fields.keys()
    | NO_TARGET.keys()
    | SuspectSettings.model_fields.keys()
)
"""Settings that change what is chosen from the gradients of a still proxy, not the gradients. The seed draws LoRA and
sketch, unless the proxy has one of its own."""


TARGET = "target"
"""The folder of a run that its target lies in: its rows, and the parts of each feature of them."""


def gradient_facts(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a run's identity that decide its gradients: rows, proxy, template, gradient settings, versions.

    All of them where the proxy moves while it selects, for it moves by what is chosen.
    """
    facts = dict(identity)
    if facts.get("schedule") == "interleaved":
        return facts
    own = facts.pop("proxy_seed", None)
    if own is not None:
        facts["seed"] = own
    return {name: value for name, value in facts.items() if name not in _ONLY_THE_CHOICE}


def origin_of(identity: Mapping[str, Any], *, epoch: int | None = None, feature: str = GRADIENTS) -> str:
    """SHA-256 (hex) over `gradient_facts`.

    Runs of equal origin have equal features; what is on disk carries it, so that those of others are not used.

    Args:
        identity: of the run.
        epoch: a pass over the corpus other than the last, where a moving proxy makes several.
        feature: the name of another feature than the gradients.
    """
    kind = [] if feature == GRADIENTS else [feature]
    facts = json.dumps([gradient_facts(identity), epoch, *kind], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()


def feature_store(folder: Path, identity: Mapping[str, Any], feature: str = GRADIENTS) -> PartStore:
    """The parts of a run's feature, in a folder of its name or at the run's address."""
    return parts_at(folder / feature, origin_of(identity, feature=feature), address_of(folder))


def target_store(
    folder: Path,
    identity: Mapping[str, Any],
    feature: str = GRADIENTS,
    *,
    plain: bool = False,
    cycle: int | None = None,
) -> PartStore:
    """The parts of a feature of a run's target, of equal origin wherever they are made from the same.

    Args:
        folder: of the run.
        identity: of the run.
        feature: its name.
        plain: whether gradients go without the preconditioner of the pool's.
        cycle: updates that a moving proxy had made by then.
    """
    kind = f"{'plain ' if plain else ''}{feature} of target {identity['target_examples_sha256']}"
    place = folder / TARGET / feature
    if cycle is None:
        return parts_at(place, origin_of(identity, feature=kind), address_of(folder))
    return PartStore(place / f"cycle-{cycle:05d}", origin_of(identity, feature=f"{kind} at cycle {cycle}"))
