"""The training script that goes with pairs for TRL."""

from spice_select.export.base import Origin
from spice_select.export.named import argument_of_script, revision_in_script
from spice_select.export.preference.losses import PairLoss
from spice_select.export.preference.recipe import PairRecipe
from spice_select.export.recipe import trl_recipe
from spice_select.export.script import SCRIPT


def pair_script(origin: Origin, recipe: PairRecipe, loss: PairLoss, *, data: str) -> str:
    """A script of one screen: `python train.py MODEL`."""
    tail = f"    ld_alpha={loss.tail},  # as in the selection\n" if loss.tail is not None else ""
    return f'''\
"""Tune a model on the pairs of this folder with TRL: python {SCRIPT} MODEL [--out FOLDER] [--max-steps N].

The reference is the model itself, its LoRA turned off. pip install trl peft
"""

import argparse
from pathlib import Path

import torch
from datasets import load_dataset
from peft import LoraConfig
from trl import DPOConfig, DPOTrainer

parser = argparse.ArgumentParser()
{argument_of_script(origin)}
parser.add_argument("--out", default="outputs")
parser.add_argument("--max-steps", type=int, default=-1)
given = parser.parse_args()

rows = load_dataset("parquet", data_files=str(Path(__file__).parent / {data!r}), split="train")
config = DPOConfig(
    output_dir=given.out,
{revision_in_script(origin)}    loss_type=["{loss.trl}"],  # {loss.comment}
    beta={recipe.beta},
{tail}    max_length={origin.max_length},  # as in the selection
    precompute_ref_log_probs=True,
    learning_rate={recipe.learning_rate},  # of a LoRA; TRL's 1e-6 is for all weights
{trl_recipe(recipe)}trainer = DPOTrainer(given.model, args=config, train_dataset=rows, peft_config=lora)
lost = len(rows) - len(trainer.train_dataset)
if lost:  # TRL says nothing of it
    raise SystemExit(f"TRL drops {{lost}} of {{len(rows)}} pairs: their prompts alone reach max_length.")
trainer.train()
trainer.save_model()
'''
