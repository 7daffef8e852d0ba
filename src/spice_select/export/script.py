"""The training script that goes with a TRL export."""

from spice_select.export.base import Origin
from spice_select.export.named import argument_of_script, revision_in_script
from spice_select.export.recipe import TrainingRecipe, trl_recipe

SCRIPT = "train.py"

_PAIRS = """\
    completion_only_loss=True,  # TRL's default for prompt and completion, said aloud"""
_MESSAGES = """\
    # Without this TRL trains on the questions too. It needs a chat template with {% generation %} marks: the model's
    # own, or the one TRL keeps for its family; TRL says so where there is neither.
    assistant_only_loss=True,"""


def script(origin: Origin, recipe: TrainingRecipe, *, as_pairs: bool, data: str) -> str:
    """A script of one screen: `python train.py MODEL`."""
    return f'''\
"""Tune a model on the rows of this folder with TRL: python {SCRIPT} MODEL [--out FOLDER] [--max-steps N].

The loss is that of the answers alone. pip install trl peft
"""

import argparse
from pathlib import Path

import torch
from datasets import load_dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

parser = argparse.ArgumentParser()
{argument_of_script(origin)}
parser.add_argument("--out", default="outputs")
parser.add_argument("--max-steps", type=int, default=-1)
given = parser.parse_args()

rows = load_dataset("parquet", data_files=str(Path(__file__).parent / {data!r}), split="train")
config = SFTConfig(
    output_dir=given.out,
{revision_in_script(origin)}{_PAIRS if as_pairs else _MESSAGES}
    max_length={origin.max_length},  # as in the selection
    learning_rate={recipe.learning_rate},
{trl_recipe(recipe)}trainer = SFTTrainer(given.model, args=config, train_dataset=rows, peft_config=lora)
trainer.train()
trainer.save_model()
'''
