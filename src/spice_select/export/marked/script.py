"""The training script that goes with marked answers for TRL."""

from spice_select.export.base import Origin
from spice_select.export.marked.weights import FOR_KL, MarkWeights
from spice_select.export.named import argument_of_script, revision_in_script
from spice_select.export.preference.recipe import PairRecipe
from spice_select.export.recipe import trl_recipe
from spice_select.export.script import SCRIPT


def marked_script(origin: Origin, recipe: PairRecipe, weights: MarkWeights, *, data: str) -> str:
    """A script of one screen: `python train.py MODEL`."""
    return f'''\
"""Tune a model on the marked answers of this folder with TRL: python {SCRIPT} MODEL [--out FOLDER] [--max-steps N].

The reference is the model itself, its LoRA turned off. pip install trl peft
"""

import argparse
from pathlib import Path

import torch
from datasets import load_dataset
from peft import LoraConfig
from trl import KTOConfig, KTOTrainer

parser = argparse.ArgumentParser()
{argument_of_script(origin)}
parser.add_argument("--out", default="outputs")
parser.add_argument("--max-steps", type=int, default=-1)
given = parser.parse_args()

rows = load_dataset("parquet", data_files=str(Path(__file__).parent / {data!r}), split="train")
rows = rows.shuffle(seed=0)  # TRL takes them in this order: its KL term is that of neighbours
config = KTOConfig(
    output_dir=given.out,
{revision_in_script(origin)}    loss_type="kto",
    beta={recipe.beta},
    desirable_weight={weights.good},  # as many pulls towards good answers as away from bad ones
    undesirable_weight={weights.bad},
    max_length={origin.max_length},  # as in the selection
    learning_rate={recipe.learning_rate},  # of a LoRA; TRL's 1e-6 is for all weights
{trl_recipe(recipe, batch=FOR_KL)}trainer = KTOTrainer(given.model, args=config, train_dataset=rows, peft_config=lora)
lost = len(rows) - len(trainer.train_dataset)
if lost:  # TRL says nothing of it
    raise SystemExit(f"TRL drops {{lost}} of {{len(rows)}} rows: their prompts alone reach max_length.")
trainer.train()
trainer.save_model()
'''
