"""Axolotl (0.19.0): JSON lines and a training configuration."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spice_select.data.formats.base import RowError
from spice_select.data.plain import json_text
from spice_select.training.export.base import Origin, Record
from spice_select.training.export.folder import write_lines, write_text
from spice_select.training.export.jsonl import DATA
from spice_select.training.export.picks import Pick
from spice_select.training.export.recipe import Recipe
from spice_select.training.export.texts import answers, arguments_of, drop_empty_column, messages_of, tools_text
from spice_select.training.export.trainee import Trainee

CONFIG = "axolotl.yaml"
TRAINED = "train"
"""The field of a turn that tells axolotl whether it is trained on."""
FIELDS = ("role", "content", "reasoning_content", "tool_calls", "tool_call_id", "name")
"""The fields of a turn that are handed to the template."""


class Axolotl:
    """Messages under the tokenizer's own chat template, trained on the assistant's turns and their ends.

    A turn that the row takes out of the loss says ``train: false``, which axolotl's `message_field_training` reads.
    """

    name = "axolotl"

    def __init__(self, recipe: Recipe | None = None, *, trainee: Trainee | None = None) -> None:
        """`trainee`: the model to train, where what its template needs has to be known."""
        self._recipe = recipe or Recipe()
        self._trainee = trainee

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "Axolotl":
        return Axolotl(self._recipe, trainee=trainee)

    def record(self, pick: Pick) -> Record:
        conversation = pick.conversation
        messages = [_plain(message, number) for number, message in enumerate(messages_of(conversation), start=1)]
        if any("tool_calls" in message for message in messages) and self._wants_text():
            raise RowError(
                "text-arguments", "the model's template wants a call's arguments as text; axolotl parses them"
            )
        for place in answers(conversation)[1]:
            messages[place][TRAINED] = False
        return {"messages": messages, "tools": tools_text(conversation)}

    def _wants_text(self) -> bool:
        return self._trainee is not None and self._trainee.wants_text_arguments

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        said = [
            message["content"]
            for pick in picks
            for place, message in enumerate(pick.conversation.messages)
            if place in answers(pick.conversation)[0]
        ]
        edges = sum(text.strip().startswith("[") or text.strip().endswith("]") for text in said)
        notes = []
        if edges:
            notes.append(
                f"axolotl finds an answer by putting '[[dummy_message]]' in its place: of the {edges} answers that "
                "begin with '[' or end with ']' it may leave the first or last token out of the loss."
            )
        ends = _ends(self._trainee)
        return tuple([*notes, ends.note] if ends.note else notes)

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        lines = list(records)
        drop_empty_column(lines, "tools")
        write_lines(folder / DATA, lines)
        marked = any(TRAINED in message for line in lines for message in line["messages"])
        write_text(folder / CONFIG, _config(origin, self._recipe, marked=marked, ends=_ends(self._trainee)))
        return (
            f"Train: cd into the folder, then `axolotl train {CONFIG}`.",
            f"See what is trained on first: `axolotl preprocess {CONFIG} --debug`.",
        )


def _plain(message: Record, number: int) -> Record:
    """Arguments of tool calls as JSON text, which axolotl parses: as objects Arrow would give all the same fields."""
    kept = {key: message[key] for key in message if key in FIELDS}
    kept |= {key: str(kept[key]) for key in ("name", "tool_call_id") if key in kept}
    if "tool_calls" in kept:
        kept["tool_calls"] = [_call(call, number) for call in kept["tool_calls"]]
    return kept


def _call(call: Record, number: int) -> Record:
    function = call.get("function", call)
    arguments = json_text(arguments_of(function, number))
    written = {"name": function["name"], "arguments": arguments}
    texts = {key: value for key, value in call.items() if key in ("id", "type") and isinstance(value, str)}
    return {**texts, "function": {key: written[key] for key in function if key in written} | written}


@dataclass(frozen=True)
class _Ends:
    """What closes answers, for `eot_tokens`: axolotl trains by itself on the tokenizer's EOS alone.

    Attributes:
        line: the lines of the configuration.
        note: for the screen, where a person has to know or do something.
    """

    line: str = ""
    note: str = ""


def _ends(trainee: Trainee | None) -> _Ends:
    if trainee is not None and trainee.found is None:
        return _Ends()  # the embedded proxy's template ends turns with its EOS
    found = trainee.end_of_turn if trainee is not None else None
    if found is None:
        return _Ends(line=_UNKNOWN, note=_UNKNOWN_NOTE)
    if found.token == found.eos and found.token is not None:
        return _Ends()
    if found.token is None or not found.literal:
        return _Ends(line="# The template closes answers with no token that eot_tokens could name.\n", note=_NO_TOKEN)
    eos = f"; the EOS is {found.eos}" if found.eos else ""
    return _Ends(line=f"eot_tokens: [{json.dumps(found.token)}]  # what the template ends turns with{eos}\n")


_UNKNOWN = """\
# A template that ends turns with a token other than the tokenizer's EOS needs it named, or it is not trained on:
# eot_tokens: ["<|eot_id|>"]
"""
_UNKNOWN_NOTE = (
    "The model's tokenizer is not on this machine. If its template ends turns with a token other than the EOS, name it "
    f"in {CONFIG} (eot_tokens), or it is not trained on."
)
_NO_TOKEN = "The model's template closes answers with no token that axolotl could be told of: no end is trained on."


def _config(origin: Origin, recipe: Recipe, *, marked: bool, ends: _Ends) -> str:
    mappings = "\n".join(f"      {name}: {name}" for name in FIELDS)
    training = (
        f"    message_field_training: {TRAINED}  # turns that a row takes out of the loss say false\n" if marked else ""
    )
    return f"""\
# Axolotl on the rows of this folder. From within it: axolotl train {CONFIG}
base_model: {json.dumps(origin.model)}  # the model to train{origin.place}

datasets:
  - path: {DATA}
    ds_type: json
    type: chat_template
    chat_template: tokenizer_default
    field_messages: messages
    field_tools: tools
    message_property_mappings:
{mappings}
    roles_to_train: [assistant]  # the loss is that of the answers, all of them
    train_on_eos: turn           # and of the token that ends each
{training}{ends.line}dataset_prepared_path: prepared
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
