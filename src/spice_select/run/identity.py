"""What makes a run this run and no other: the facts that decide its result, and those that record how it went."""

import hashlib
import json
import platform
import re
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spice_select.data.records import Row
from spice_select.executors.settings import EngineSettings
from spice_select.features.proxy import Proxy
from spice_select.models.embedded import NAME as EMBEDDED_NAME
from spice_select.run.settings import SelectSettings
from spice_select.run.target import NO_TARGET, TargetRows
from spice_select.store import json_sum, sha256

_DECISIVE = ("spice-select", "torch", "transformers", "tokenizers", "numpy")
"""Packages whose version can change a bit of the result; a run is not resumed across them."""
_RECORDED = (*_DECISIVE, "peft", "datasets", "pyarrow", "accelerate", "safetensors")
_UNSAID = {
    "warm": False,
    "warm_checkpoints": 1,
    "proxy_seed": None,
    "pair_gradient": "sum",
    "pair_tail": 0.5,
    "pair_beta": 0.1,
    "keep_contradictions": False,
    "max_per_prompt": None,
    "select_mode": "exact",
    "candidates": 1.6,
    "tangent_passes": None,
}
"""Settings that runs were made without: at these values they ask for what those runs are, and are left out."""
_PERMISSIONS = (
    *("allow_network", "allow_pickle", "trust_remote_code", "device", "dtype", "select_device", "select_shards"),
    *EngineSettings.model_fields,
)
"""Settings that say what may be done and by whom, or are resolved below: they do not name a different result."""
_WHERE = ("adapter", "split", "subset", "revision")
_FOUND_ANEW = ("model", *_WHERE, "format", "batch_tokens")
"""Settings that say where things lie, or are resolved: a finished run's file may name them otherwise."""


def identity_of(
    rows: Sequence[Row],
    settings: SelectSettings,
    proxy: Proxy,
    *,
    template_hash: str,
    row_format: str,
    target: TargetRows | None = None,
) -> dict[str, Any]:
    """The facts that decide a run's result, flat and JSON-ready: equal facts give an equal result."""
    asked = {
        name: value
        for name, value in settings.flat().items()
        if name not in (*_PERMISSIONS, "target") and (name, value) not in _UNSAID.items()
    }
    return {
        **asked,
        **(NO_TARGET if target is None else target.facts),
        "batch_tokens": proxy.batch_tokens(settings.gradients),
        "format": row_format,
        "corpus_sha256": rows_hash(rows),
        "corpus_rows": len(rows),
        "model": proxy.identity.name,
        "model_weights_sha256": proxy.identity.weights_hash,
        "model_files_sha256": proxy.identity.files_hash,
        "model_commit": proxy.identity.revision,
        "chat_template_sha256": template_hash,
        "device": proxy.device,
        "dtype": proxy.dtype,
        **{f"version_{package}": package_version(package) for package in _DECISIVE},
    }


def altered_settings(settings: SelectSettings, identity: Mapping[str, Any]) -> list[str]:
    """Where settings that are read back from a run's file are not those that the run was made with, in words."""
    known, given = {**_UNSAID, **identity}, _given(identity)
    free = {*_PERMISSIONS, *_FOUND_ANEW}
    read = sorted(json.loads(json.dumps(settings.flat())).items())
    altered = [(name, value) for name, value in read if name in known.keys() - free and value != known[name]]
    altered += [(name, value) for name, value in read if name in given and bool(value) != given[name]]
    said = {name: "given" if was else "not given" for name, was in given.items()}
    return [f"{name} is {value!r} there, and was {said.get(name) or repr(known[name])}" for name, value in altered]


def _given(identity: Mapping[str, Any]) -> dict[str, bool]:
    """Whether a run was given what may be found anew: elsewhere, but not there or gone. As far as its identity says."""
    given = {name: bool(identity[name]) for name in _WHERE if name in identity}
    if "model" in identity:
        given["model"] = identity["model"] != EMBEDDED_NAME
    if "target_rows" in identity:
        given["target"] = identity["target_rows"] > 0
    return given


def rows_hash(rows: Sequence[Row]) -> str:
    """SHA-256 over the rows' content hashes in order: the same for the same rows in any file format."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(bytes.fromhex(row.content_hash))
    return digest.hexdigest()


def default_folder(corpus: str, identity: Mapping[str, Any], *, kind: str = "", nameless: str = "corpus") -> Path:
    """``runs/<kind><corpus>-<8 hex digits of the identity>``: the same question finds its folder again.

    Args:
        corpus: a path or a hub id.
        identity: what decides the result.
        kind: what stands before the name.
        nameless: the name of one that has none.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", Path(corpus).name.split(".")[0] or nameless)
    return Path("runs") / f"{kind}{stem}-{json_sum(identity)[:8]}"


def manifest_facts(
    corpus: str, identity: Mapping[str, Any], *, parts: int, notes: Mapping[str, Any], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """What the manifest records beside the hashes of the outputs."""
    import torch

    path = Path(corpus)
    return {
        "corpus": {
            "name": corpus,
            "sha256": sha256(path) if path.is_file() else None,
            "rows_sha256": identity["corpus_sha256"],
        },
        "identity": dict(identity),
        **notes,
        "parts": parts,
        "versions": {"python": platform.python_version(), **{name: package_version(name) for name in _RECORDED}},
        "machine": {"platform": platform.platform(), "threads": torch.get_num_threads()},
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": dict(seconds),
    }


@cache
def package_version(package: str) -> str:
    """The installed version, or ``absent``."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
