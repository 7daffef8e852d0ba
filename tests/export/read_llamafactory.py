"""Run by LLaMA-Factory's own Python, in an export: its parser, loader, converter and processor; prints JSON."""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import types

os.environ["DISABLE_VERSION_CHECK"] = "1"


def stand_in(name: str) -> None:
    """LLaMA-Factory imports torchaudio, for which not every torch has a build; text does not need it."""
    if importlib.util.find_spec(name) is None:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = module


def read() -> dict:
    import yaml
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.data.loader import _get_merged_dataset
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    with open("train.yaml") as handle:
        settings = {**yaml.safe_load(handle), "bf16": False, "use_cpu": True}
    model, data, training, _, _ = get_train_args(settings)
    aligned = _get_merged_dataset(data.dataset, model, data, training, "sft")
    loaded = load_tokenizer(model)
    template = get_template_and_fix_tokenizer(loaded["tokenizer"], data)
    train = get_dataset(template, model, data, training, stage="sft", **loaded)["train_dataset"]
    return {"aligned": list(aligned), "train": [{"ids": row["input_ids"], "labels": row["labels"]} for row in train]}


if __name__ == "__main__":
    stand_in("torchaudio")
    with contextlib.redirect_stdout(sys.stderr):
        found = read()
    print(json.dumps(found))
