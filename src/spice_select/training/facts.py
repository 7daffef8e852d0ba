"""What a training is, and how it went: the facts that decide its result, and its manifest."""

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spice_select.data.encoding import Encoded
from spice_select.data.records import Sample
from spice_select.run.finished import Run
from spice_select.run.identity import package_version, rows_hash
from spice_select.store import json_sum
from spice_select.training.dpo import DpoLoss
from spice_select.training.moved import Moved
from spice_select.training.result import KIND
from spice_select.training.rows import Arm
from spice_select.training.settings import TrainSettings
from spice_select.training.steps import StepPlan
from spice_select.training.target import Target

_DECISIVE = ("spice-select", "torch", "transformers", "tokenizers", "trl", "peft", "accelerate")
"""Packages whose version can change a bit of the result; a training is not resumed across them."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What is trained on, and for how long.

    Attributes:
        encoded: the rows under the target's template, and those left out.
        plan: the number of steps.
        template_hash: SHA-256 of the target's chat template.
        max_length: where examples are cut, in tokens.
        dpo: the loss, where the rows are preference pairs.
    """

    encoded: Encoded[Sample]
    plan: StepPlan
    template_hash: str
    max_length: int
    dpo: DpoLoss | None = None

    @property
    def examples(self) -> Sequence[Sample]:
        return self.encoded.examples


def training_identity(
    run: Run, arm: Arm, target: Target, material: Material, settings: TrainSettings
) -> dict[str, Any]:
    """The facts that decide a training's result, flat and JSON-ready."""
    asked = settings.decisive()
    return {
        "kind": KIND,
        **asked,
        **({} if material.dpo is None else material.dpo.facts),
        "max_length": material.max_length,
        "steps": material.plan.steps,
        "warmup_steps": material.plan.warmup,
        "format": run.manifest["identity"]["format"],
        "rows": len(material.examples),
        "rows_sha256": rows_hash(arm.rows),
        "model": target.identity.name,
        "model_weights_sha256": target.identity.weights_hash,
        "model_files_sha256": target.identity.files_hash,
        "model_commit": target.identity.revision,
        # a whole model that is saved brings its settings of generation; an adapter leaves them to its base
        **({"model_generation_sha256": target.identity.generation_hash} if settings.full else {}),
        "chat_template_sha256": material.template_hash,
        "device": target.device,
        "dtype": target.dtype,
        **{f"version_{package}": package_version(package) for package in _DECISIVE},
    }


def training_folder(run: Run, on: str, identity: Mapping[str, Any]) -> Path:
    """``<run>-<rows>-<8 hex digits of the identity>``: the same question finds its folder again."""
    place = run.path.resolve() if run.path.name in ("", "..") else run.path
    return place.with_name(f"{place.name}-{on}-{json_sum(identity)[:8]}")


def training_facts(
    identity: Mapping[str, Any],
    material: Material,
    *,
    steps: int,
    tokens: int,
    seconds: Mapping[str, float],
    moved: Moved,
) -> dict[str, Any]:
    """What the manifest records beside the hashes of the outputs; `tokens` are those seen, over all epochs."""
    encoded = material.encoded
    return {
        "identity": dict(identity),
        "steps": steps,
        "epochs": material.plan.epochs,
        "rows": len(encoded.examples),
        "left_out": encoded.reasons,
        "truncated_rows": encoded.truncated,
        "tokens": tokens,
        "tokens_of_rows": encoded.num_tokens,
        "supervised_tokens_of_rows": encoded.num_supervised,
        "moved": moved.to_json(),
        "seconds": dict(seconds),
        "versions": {"python": platform.python_version(), **{name: package_version(name) for name in _DECISIVE}},
        "machine": {"platform": platform.platform()},
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
