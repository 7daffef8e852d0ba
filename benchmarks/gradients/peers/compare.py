"""Run every peer over the same rows and adapter, and set their times beside the engine's."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.gradients.parameters.lora import initial_a
from spice_select.models.lora import LoraSpec

from .environments import PEERS, RUNNERS, Peer, interpreter

CLOCKS = ("seconds", "cpu_seconds")
_LONGEST_RUN = 900


def write_setting(folder: Path, model: nn.Module, examples: Sequence[Example], token_budget: int, dim: int) -> None:
    """The folder that runners read: model, padded batches, and the A of each layer."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder / "model")  # type: ignore[operator]
    spec = LoraSpec()
    drawn = {layer.name: initial_a(layer, spec.rank, 0).numpy() for layer in spec.layers(model)}
    np.savez(folder / "adapter.npz", **drawn)
    plan = plan_batches([e.num_tokens for e in examples], token_budget=token_budget)
    arrays = {}
    for number, members in enumerate(plan):
        ids, labels = _padded([examples[i] for i in members])
        arrays |= {f"ids_{number}": ids, f"labels_{number}": labels}
    np.savez(folder / "rows.npz", **arrays)
    described = {"batches": len(plan), "dim": dim, "scale": spec.scale}
    (folder / "setting.json").write_text(json.dumps(described), encoding="utf-8")


def compare(folder: Path, names: Sequence[str], *, threads: int, repeats: int) -> list[dict[str, Any]]:
    """One record for each variant of each peer; a peer that cannot be run has one that says why.

    Norms of exact variants are compared with the engine's, so that a time is that of the right gradients. Times are
    over those of the plain pass that ran in turn with the variant: the median of the repeats.
    """
    records: list[dict[str, Any]] = []
    for peer in PEERS:
        if peer.name == "ours" or not names or peer.name in names:
            records += [{"peer": peer.title, **r} for r in _run(peer, folder, threads, repeats)]
    for record in records:
        norms = record.pop("norms", None)
        if norms:
            record["norm_error"] = _norm_error(norms, folder, record["variant"] == "engine")
        for clock in CLOCKS:
            if clock in record:
                ratios = np.divide(record[clock], record[f"plain_{clock}"])
                record[f"{clock}_over_plain"] = float(np.median(ratios))
    return records


def over_engine(records: Sequence[dict[str, Any]], clock: str) -> dict[str, float]:
    """Every variant's time over the engine's, the fastest first; each was taken against a plain pass beside it."""
    key = f"{clock}_over_plain"
    engine = next(r[key] for r in records if r["variant"] == "engine")
    found = {f"{r['peer']} {r['variant']}": r[key] / engine for r in records if key in r}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _run(peer: Peer, folder: Path, threads: int, repeats: int) -> list[dict[str, Any]]:
    out = folder / f"{peer.name}.json"
    out.unlink(missing_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    try:
        command = [str(interpreter(peer)), str(RUNNERS / peer.runner), str(folder), str(out)]
        options = ["--threads", str(threads), "--repeats", str(repeats)]
        done = subprocess.run([*command, *options], env=environment, capture_output=True, timeout=_LONGEST_RUN)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return [{"variant": "-", "error": str(error)[:500]}]
    if not out.exists():
        return [{"variant": "-", "error": done.stderr.decode(errors="replace")[-500:]}]
    return json.loads(out.read_text())["records"]


def _norm_error(norms: Sequence[float], folder: Path, keep: bool) -> float:
    """Largest relative difference to the engine's norms, which are kept in the folder when they come first."""
    stored = folder / "norms.npy"
    if keep:
        np.save(stored, np.array(norms))
    if not stored.exists():
        return float("nan")
    reference = np.load(stored)
    return float(np.max(np.abs(np.array(norms) / reference - 1)))


def _padded(examples: Sequence[Example]) -> tuple[np.ndarray, np.ndarray]:
    width = max(e.num_tokens for e in examples)
    ids = np.zeros((len(examples), width), dtype=np.int64)
    labels = np.full((len(examples), width), -100, dtype=np.int64)
    for row, e in enumerate(examples):
        ids[row, : e.num_tokens] = e.input_ids
        labels[row, : e.num_tokens] = np.where(e.supervised, e.input_ids, -100)
    return ids, labels
