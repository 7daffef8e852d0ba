"""Axolotl (0.19.0): JSON lines and a training configuration."""

import json
from collections.abc import Sequence
from pathlib import Path

from spice_select.training.export.base import Origin, Record
from spice_select.training.export.folder import write_lines, write_text
from spice_select.training.export.jsonl import DATA
from spice_select.training.export.picks import Pick
from spice_select.training.export.recipe import Recipe
from spice_select.training.export.texts import arguments_of, drop_empty_column, messages_of, tools_text

CONFIG = "axolotl.yaml"


class Axolotl:
    """Messages under the tokenizer's own chat template, trained on the assistant's turns and their ends."""

    name = "axolotl"

    def __init__(self, recipe: Recipe | None = None) -> None:
        self._recipe = recipe or Recipe()

    def record(self, pick: Pick) -> Record:
        conversation = pick.conversation
        messages = [_plain(message, number) for number, message in enumerate(messages_of(conversation), start=1)]
        return {"messages": messages, "tools": tools_text(conversation)}

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        lines = list(records)
        drop_empty_column(lines, "tools")
        write_lines(folder / DATA, lines)
        write_text(folder / CONFIG, _config(origin, self._recipe))
        return (
            f"Train: cd into the folder, then `axolotl train {CONFIG}`.",
            f"See what is trained on first: `axolotl preprocess {CONFIG} --debug`.",
        )


def _plain(message: Record, number: int) -> Record:
    """Arguments of tool calls as JSON text, which axolotl parses: as objects Arrow would give all the same fields."""
    if "tool_calls" not in message:
        return message
    calls = []
    for call in message["tool_calls"]:
        function = call.get("function", call)
        arguments = json.dumps(arguments_of(function, number), ensure_ascii=False, default=str)
        kept = {key: call[key] for key in ("id", "type") if isinstance(call.get(key), str)}
        calls.append({**kept, "function": {"name": function["name"], "arguments": arguments}})
    return {**message, "tool_calls": calls}


def _config(origin: Origin, recipe: Recipe) -> str:
    return f"""\
# Axolotl on the rows of this folder. From within it: axolotl train {CONFIG}
base_model: {json.dumps(origin.model)}  # the model to train

datasets:
  - path: {DATA}
    ds_type: json
    type: chat_template
    chat_template: tokenizer_default
    field_messages: messages
    field_tools: tools
    message_property_mappings:
      role: role
      content: content
    roles_to_train: [assistant]  # the loss is that of the answers, all of them
    train_on_eos: turn           # and of the token that ends each
# A template that ends turns with a token other than the tokenizer's EOS needs it named, or it is not trained on:
# eot_tokens: ["<|eot_id|>"]
dataset_prepared_path: prepared
val_set_size: 0.0

sequence_len: {origin.max_length}  # as in the selection
excess_length_strategy: truncate  # as in the selection; axolotl would drop longer rows
sample_packing: false

adapter: lora
lora_r: {recipe.lora_rank}
lora_alpha: {recipe.lora_alpha}
lora_dropout: {recipe.lora_dropout}
lora_target_linear: true

optimizer: adamw_torch
learning_rate: {recipe.learning_rate:.1e}
lr_scheduler: cosine
warmup_ratio: {recipe.warmup_ratio}
num_epochs: {recipe.epochs}
micro_batch_size: {recipe.batch_size}
gradient_accumulation_steps: {recipe.accumulation}
bf16: auto
seed: 0

output_dir: outputs
logging_steps: 10
"""
