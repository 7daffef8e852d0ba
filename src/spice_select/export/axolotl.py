"""Axolotl (0.19.0): JSON lines and a training configuration."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from spice_select.data.formats.base import RowError
from spice_select.data.plain import json_text
from spice_select.data.records import Conversation
from spice_select.export.base import Origin, Record
from spice_select.export.folder import LINES, write_records
from spice_select.export.marked.axolotl import AxolotlMarked
from spice_select.export.marked.parts import are_marked
from spice_select.export.named import named_in_yaml
from spice_select.export.picks import Pick, are_pairs
from spice_select.export.preference.axolotl import AxolotlPairs
from spice_select.export.preference.recipe import PairRecipe
from spice_select.export.recipe import TrainingRecipe, axolotl_recipe
from spice_select.export.records import answers, arguments_of, drop_empty_column, messages_of, tools_text
from spice_select.export.rehearsal import DUMMY, Rehearsal, axolotl_mask
from spice_select.export.trainee import Trainee
from spice_select.settings.counted import counted
from spice_select.store import write_text

_CONFIG = "axolotl.yaml"
TRAINED = "train"
"""The field of a turn that tells axolotl whether it is trained on."""
FIELDS = ("role", "content", "reasoning_content", "thinking", "reasoning", "tool_calls", "tool_call_id", "name")
"""The fields of a turn that are handed to the template."""


class Axolotl:
    """Messages under the tokenizer's own chat template, trained on the assistant's turns and their ends.

    A turn that the row takes out of the loss says ``train: false``, which axolotl's `message_field_training` reads.
    """

    name: ClassVar[str] = "axolotl"
    as_they_came: ClassVar[bool] = False
    reads_template: ClassVar[bool] = True

    def __init__(self, recipe: TrainingRecipe | None = None, *, trainee: Trainee | None = None) -> None:
        """`trainee`: the model to train, where what its template needs has to be known."""
        self._recipe = recipe or TrainingRecipe()
        self._trainee = trainee
        self._rehearsal = Rehearsal(trainee) if trainee is not None else None

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "Axolotl | AxolotlPairs | AxolotlMarked":
        if are_pairs(picks):
            return AxolotlPairs(PairRecipe.like(self._recipe), trainee=trainee)
        if are_marked(picks):
            return AxolotlMarked(PairRecipe.like(self._recipe)).fitted(picks, trainee)
        return Axolotl(self._recipe, trainee=trainee)

    def record(self, pick: Pick) -> Record:
        conversation = pick.conversation
        messages = messages_of(conversation)
        if self._trainee is not None:
            if self._trainee.wants_text_arguments and any("tool_calls" in message for message in messages):
                detail = "the model's template wants the arguments of calls as text; axolotl makes objects of them"
                raise RowError("text-arguments", detail)
            messages = self._trainee.shown(messages)
        trained = _trained(conversation, messages)
        self._rehearse(conversation, messages, trained)
        lines = [_plain(message, number) for number, message in enumerate(messages, start=1)]
        for place, line in enumerate(lines):
            if line["role"] == "assistant" and place not in trained:
                line[TRAINED] = False
        return {"messages": lines, "tools": tools_text(conversation)}

    def _rehearse(self, conversation: Conversation, messages: Sequence[Record], trained: Sequence[int]) -> None:
        rehearsal = self._rehearsal
        if rehearsal is None or self._trainee is None or not rehearsal.possible:
            return
        found, tokenizer = self._trainee.end_of_turn, self._trainee.tokenizer
        names = {tokenizer.eos_token, found.token if found is not None and found.literal else None} - {None}
        ends = [tokenizer.convert_tokens_to_ids(name) for name in names]
        ids, mask = axolotl_mask(rehearsal, messages, conversation.tools, trained, ends)
        rehearsal.compare(conversation, ids, mask, "axolotl")

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        if self._rehearsal is not None and self._rehearsal.possible:
            notes = self._rehearsal.note("axolotl")
        else:
            notes = _unrehearsed([pick.conversation for pick in picks])
        ends = _ends(self._trainee)
        return (*notes, ends.note) if ends.note else notes

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        lines = list(records)
        drop_empty_column(lines, "tools")
        write_records(folder / LINES, lines)
        marked = any(TRAINED in message for line in lines for message in line["messages"])
        write_text(folder / _CONFIG, _config(origin, self._recipe, marked=marked, ends=_ends(self._trainee)))
        return (
            f"Train: cd into the folder, then `axolotl train {_CONFIG}`.",
            f"See what is trained on first: `axolotl preprocess {_CONFIG} --debug`.",
        )


def _trained(conversation: Conversation, messages: Sequence[Record]) -> list[int]:
    """The places in `messages`, which may lack system turns, of the answers that are trained on."""
    places = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    own = [place for place, message in enumerate(conversation.messages) if message["role"] == "assistant"]
    trained = answers(conversation)[0]
    return [place for place, before in zip(places, own, strict=True) if before in trained]


def _unrehearsed(conversations: Sequence[Conversation]) -> tuple[str, ...]:
    """What axolotl gets wrong under some templates, counted, where the model's own is not here to look."""
    several = sum(len(answers(one)[0]) > 1 for one in conversations)
    said = [one.messages[place]["content"].strip() for one in conversations for place in answers(one)[0]]
    edges = sum(text.startswith("[") or text.endswith("]") for text in said)
    notes = []
    if several:
        notes.append(
            f"axolotl finds the wrong tokens of earlier answers under templates that show the last one otherwise "
            f"(Qwen3): {counted(several, 'row has', 'rows have')} several. Look with `axolotl preprocess {_CONFIG} "
            "--debug`."
        )
    if edges:
        notes.append(
            f"axolotl finds an answer by putting {DUMMY!r} in its place: of the {edges} answers that begin with '[' or "
            "end with ']' it may leave the first or last token out of the loss."
        )
    return tuple(notes)


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
        here = trainee is not None and trainee.tokenizer is not None
        return _Ends(line=_UNKNOWN, note=_UNKNOWN_NOTE if here else _NOT_HERE_NOTE + _UNKNOWN_NOTE)
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
_NOT_HERE_NOTE = "The model's tokenizer is not on this machine. "
_UNKNOWN_NOTE = (
    f"If its template ends turns with a token other than the EOS, name it in {_CONFIG} (eot_tokens), or it is not "
    "trained on."
)
_NO_TOKEN = "The model's template closes answers with no token that axolotl could be told of: no end is trained on."


def _config(origin: Origin, recipe: TrainingRecipe, *, marked: bool, ends: _Ends) -> str:
    mappings = "\n".join(f"      {name}: {name}" for name in FIELDS)
    training = (
        f"    message_field_training: {TRAINED}  # turns that a row takes out of the loss say false\n" if marked else ""
    )
    return f"""\
# Axolotl on the rows of this folder. From within it: axolotl train {_CONFIG}
{named_in_yaml(origin, "axolotl")}

datasets:
  - path: {LINES}
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

{axolotl_recipe(recipe)}"""
