"""Select while training: a plain TRL `SFTTrainer` that is fed only the rows picked at its model's current weights.

    python examples/online_sft.py                                  a tiny random model, some seconds on a CPU
    python examples/online_sft.py --model ./SmolLM2-135M-Instruct  your own model (a directory or a hub id in the cache)

Needs `pip install 'spice-select[train]'`. The lines marked with ← are all that differs from an ordinary training.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

from spice_select.data.encoding import Encoder, encode_rows
from spice_select.data.formats import detect_format
from spice_select.data.sources import read_rows
from spice_select.gradients import HookEngine
from spice_select.methods.random import Random
from spice_select.methods.spice import Spice
from spice_select.methods.top_norm import TopNorm
from spice_select.sketch import SparseJL
from spice_select.testing.tokenizers import tiny_tokenizer
from spice_select.training import OnlineSelector

HERE = Path(__file__).parent
METHODS = {"spice": Spice(weight=0.1), "random": Random(), "top-norm": TopNorm()}


def tiny() -> tuple[Any, Any]:
    """A two-layer Llama of random weights, and a tokenizer with a ChatML template."""
    tokenizer = tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config), tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default=str(HERE / "instructions.jsonl"))
    parser.add_argument("--model", help="directory or hub id; default: a tiny random model")
    parser.add_argument("--method", choices=METHODS, default="spice")
    parser.add_argument("--picks", type=int, default=40, help="rows trained on in one pass over the corpus")
    parser.add_argument("--pool-size", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--sketch-dim", type=int, default=1024)
    parser.add_argument("--out", help="default: a temporary folder")
    options = parser.parse_args()

    if options.model:
        model, tokenizer = (
            AutoModelForCausalLM.from_pretrained(options.model),
            AutoTokenizer.from_pretrained(options.model),
        )
    else:
        model, tokenizer = tiny()

    rows = read_rows(options.corpus)
    encoder = Encoder(tokenizer, max_length=512)
    examples = encode_rows(rows, detect_format(rows), encoder).examples

    selector = OnlineSelector(  # ←
        examples,
        picks=options.picks,
        method=METHODS[options.method],
        pool_size=options.pool_size,
        epochs=options.epochs,
        engine=HookEngine(sketch=SparseJL(options.sketch_dim)),
    )
    config = SFTConfig(
        output_dir=options.out or tempfile.mkdtemp(prefix="online-sft-"),
        max_steps=selector.steps(batch_size=2, accumulation=4),  # ← a dataset without a length needs it
        dataset_kwargs={"skip_prepare_dataset": True},  # ← the rows are tokens and labels already
        per_device_train_batch_size=2,
        gradient_accumulation_steps=4,
        learning_rate=2e-4,
        lr_scheduler_type="cosine",
        logging_steps=1,
        bf16=False,
        report_to="none",
    )
    trainer = SFTTrainer(
        model,
        args=config,
        train_dataset=selector.dataset,  # ←
        callbacks=[selector.callback()],  # ←
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    trainer.train()
    trainer.save_model()

    print(f"\n{len(rows)} rows seen, {sum(len(record.picks) for record in selector.records)} trained on:")
    for record in selector.records:
        picked = [rows[examples[position].row].raw.get("id", examples[position].row) for position in record.picks]
        print(f"  pool {record.pool}, picked after step {record.step}: {', '.join(map(str, picked))}")
    print(f"saved in {config.output_dir}")


if __name__ == "__main__":
    main()
