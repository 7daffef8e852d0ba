"""Run by axolotl's own Python, in an export: its configuration check, loader and tokenisation; prints JSON."""

import contextlib
import json
import os
import sys

os.environ |= {"DO_NOT_TRACK": "1", "AXOLOTL_DO_NOT_TRACK": "1", "AXOLOTL_IS_PREPROCESS": "1"}


def read() -> dict:
    from axolotl.cli.config import load_cfg
    from axolotl.common.datasets import load_datasets

    settings = load_cfg("axolotl.yaml", is_preprocess=True, bf16=False, dataset_num_proc=1)
    settings.is_preprocess = True
    rows = load_datasets(cfg=settings).train_dataset
    return {"train": [{"ids": row["input_ids"], "labels": row["labels"]} for row in rows]}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = read()
    print(json.dumps(found))
