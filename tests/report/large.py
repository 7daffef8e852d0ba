"""A finished run of any number of picks, made up without a selection; its gradients and its corpus are gone."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder


def grown(run: Run, folder: Path, picks: int, text: str) -> Run:
    """`run` as if it had chosen `picks` rows of ten times as many, each of which says `text`."""
    shutil.copytree(run.path, folder, ignore=shutil.ignore_patterns("gradients"))
    rng = np.random.default_rng(0)
    table = {name: rng.random(picks) for name in ("gain", "base", "epsilon", "conflict", "penalty", "score", "loss")}
    table |= {"rank": np.arange(1, picks + 1), "row": rng.permutation(10 * picks)[:picks], "pool": np.zeros(picks, int)}
    table |= {"source": [f"source {n % 7}" for n in range(picks)], "supervised_tokens": rng.integers(1, 900, picks)}
    pq.write_table(pa.table(table), folder / "selection.parquet")
    with (folder / "selected.jsonl").open("w", encoding="utf-8") as file:
        for rank in range(picks):
            turns = [{"role": "user", "content": text}, {"role": "assistant", "content": f"{rank}"}]
            file.write(json.dumps({"messages": turns, "spice": {"rank": rank + 1, "row": rank, "sha256": ""}}) + "\n")
    summary = json.loads((folder / "summary.json").read_text())
    summary |= {"chosen": picks, "usable": 10 * picks, "rows": 10 * picks}
    (folder / "summary.json").write_text(json.dumps(summary))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["identity"]["corpus_sha256"] = "gone"
    RunFolder(folder).finish(manifest, [name for name in manifest["outputs"] if (folder / name).is_file()])
    return Run(folder)
