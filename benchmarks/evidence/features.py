"""What methods must know of a bed's rows, computed by the product's own features and kept as files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spice_select.data.batches import plan_batches
from spice_select.data.records import Example
from spice_select.features import FEATURES, FeatureRequest
from spice_select.features.request import ProxyRequest
from spice_select.gradients.settings import GradientSettings
from spice_select.methods import Candidates
from spice_select.methods.target import TargetSet
from spice_select.models.settings import ProxySettings
from spice_select.store import FeatureBlock, atomic

BATCH_TOKENS = 16384 if torch.cuda.is_available() else 1024
"""Tokens in a batch: what one of them changes is rounding."""


def candidates(
    bed: Path,
    pool: Sequence[Example],
    target: Sequence[Example],
    kinds: dict[str, dict[str, Any]],
    *,
    pool_of: Path | None = None,
) -> Candidates:
    """A bed as methods see it.

    Args:
        bed: folder of the bed; what is computed is kept there.
        pool, target: its encoded rows.
        kinds: the feature's name → how it is computed, as `known` takes it.
        pool_of: the folder of another bed with the same pool, where the pool's features are kept.
    """
    home = pool_of or bed
    blocks = {name: known(home, f"pool-{name}", pool, pool, **how) for name, how in kinds.items()}
    aims = {name: known(bed, f"target-{name}", target, pool, **how) for name, how in kinds.items() if target}
    return Candidates(
        rows=np.arange(len(pool)),
        tokens=np.array([example.num_tokens for example in pool]),
        supervised=np.array([example.num_supervised for example in pool]),
        sources=[example.source for example in pool],
        features=blocks,
        examples=pool,
        target=TargetSet(
            rows=np.arange(len(target)), tasks=[""] * len(target), examples=target, features=aims, normalise="unit"
        )
        if target
        else None,
    )


def renamed(own: Candidates, names: dict[str, str]) -> Candidates:
    """The candidates with their features, and the target's, under other names."""
    features = {names.get(name, name): block for name, block in own.features.items()}
    target = own.target
    if target is not None:
        target = replace(target, features={names.get(name, name): block for name, block in target.features.items()})
    return replace(own, features=features, target=target)


def known(
    bed: Path,
    file: str,
    rows: Sequence[Example],
    pool: Sequence[Example],
    *,
    feature: str,
    dtype: str,
    model: str | None = None,
    **settings: Any,
) -> FeatureBlock:
    """One feature of some rows: read, or computed and kept. A warm-up draws from the pool; no `model`: the embedded."""
    path = bed / f"{file}.npz"
    if not path.is_file():
        request = FeatureRequest(
            proxy=ProxyRequest(access=ProxySettings(dtype=dtype, model=model), gradients=GradientSettings(**settings)),
            model="proxy",
            examples=pool,
            folder=bed / f"{file.split('-', 1)[1]}",
        )
        compute, parts = FEATURES[feature].of(request).open(), []
        for positions in plan_batches([row.num_tokens for row in rows], token_budget=BATCH_TOKENS):
            parts.append(compute([rows[position] for position in positions]))
            done = sum(len(part.rows) for part in parts)
            print(f"{bed.name} {file}: {done} of {len(rows)}", flush=True)
        block = FeatureBlock.concatenate(parts)
        block = block.take(np.argsort(block.rows))
        with atomic(path) as aside, aside.open("wb") as stream:
            np.savez(stream, rows=block.rows, finite=block.finite, vectors=block.features, **_named(block))
    content = np.load(path, allow_pickle=False)
    columns = {name.removeprefix("column-"): content[name] for name in content.files if name.startswith("column-")}
    if columns["tokens"].tolist() != [row.num_tokens for row in rows]:
        raise SystemExit(f"{path}: is of other rows than {bed / 'pool.jsonl'} and the target now are. Move it away.")
    return FeatureBlock(rows=content["rows"], columns=columns, finite=content["finite"], features=content["vectors"])


def _named(block: FeatureBlock) -> dict[str, Any]:
    return {f"column-{name}": column for name, column in block.columns.items()}
