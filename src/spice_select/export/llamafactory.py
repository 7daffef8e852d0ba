"""LLaMA-Factory (0.9.5): JSON lines, `dataset_info.json` with every key, and a training configuration."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from spice_select.data.formats.base import RowError
from spice_select.data.plain import json_text
from spice_select.export.base import Origin, Record
from spice_select.export.folder import LINES, write_records
from spice_select.export.llamafactory_tools import plain_tools
from spice_select.export.picks import Pick
from spice_select.export.recipe import TrainingRecipe
from spice_select.export.records import arguments_of, drop_empty_column, functions_of, messages_of
from spice_select.export.trainee import Trainee
from spice_select.export.untrained import last_answer_only, refuse_other_answers
from spice_select.store import write_json, write_text

_INFO = "dataset_info.json"
_CONFIG = "train.yaml"

# Once "columns" or "tags" is there, a key that is left out becomes None rather than its default: without a
# system_tag, rows that begin with a system turn would be skipped as abnormal.
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}


class LlamaFactory:
    """Turns in LLaMA-Factory's `sharegpt` layout.

    Not its `openai` layout, which in 0.9.5 adds the words "detailed thinking off" to the system turn of every row
    without tools.
    """

    name: ClassVar[str] = "llamafactory"
    as_they_came: ClassVar[bool] = False
    reads_template: ClassVar[bool] = False

    def __init__(self, recipe: TrainingRecipe | None = None, *, last_only: bool = False) -> None:
        """`last_only`: train on the last answer of every row alone (`mask_history`)."""
        self._recipe = recipe or TrainingRecipe()
        self._last_only = last_only

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "LlamaFactory":
        """With `last_only` where that is what the rows' own marks say, or leaves fewer rows out than training on all.

        LLaMA-Factory has no mark for a turn: its `mask_history` holds for all rows.
        """
        return LlamaFactory(self._recipe, last_only=last_answer_only(picks))

    def record(self, pick: Pick) -> Record:
        """The turns, strictly question and answer by turns after at most one system turn; else a `RowError`."""
        conversation = pick.conversation
        turns = [_turn(message, number) for number, message in enumerate(messages_of(conversation), start=1)]
        _refuse_order(turns)
        refuse_other_answers(conversation, last_only=self._last_only, trainer="LLaMA-Factory")
        return {"messages": turns, "tools": plain_tools(conversation.tools)}

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        said = [pick.conversation for pick in picks]
        calls = sum(bool(one.tools) or any("tool_calls" in turn for turn in one.messages) for one in said)
        names = sum(any({"name", "tool_call_id"} & turn.keys() for turn in one.messages) for one in said)
        notes = []
        if calls:
            notes.append(
                f"LLaMA-Factory shows tools and calls in a form of its own, not the chat template's: {calls} rows are "
                "trained on other tokens than the selection saw."
            )
        if names:
            notes.append(f"LLaMA-Factory reads no name or tool_call_id of a turn: left out of {names} rows.")
        return tuple(notes)

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        lines = list(records)
        drop_empty_column(lines, "tools")
        name = dataset_name(origin.run)
        write_records(folder / LINES, lines)
        write_json(folder / _INFO, {name: dataset_info(has_tools="tools" in lines[0])})
        write_text(folder / _CONFIG, _config(name, origin, self._recipe, last_only=self._last_only))
        return (
            f"Train: cd into the folder, then `llamafactory-cli train {_CONFIG}`.",
            f"In a data folder of your own: copy {LINES} there, and the entry of {_INFO} into its {_INFO}.",
        )


def dataset_name(run: str) -> str:
    """The name under which LLaMA-Factory knows the data."""
    return "spice_" + re.sub(r"\W+", "_", run).strip("_")


def dataset_info(*, has_tools: bool) -> dict[str, Any]:
    """The entry of `dataset_info.json`, with every key that LLaMA-Factory would otherwise make None."""
    columns = {"messages": "messages", **({"tools": "tools"} if has_tools else {})}
    return {
        "file_name": LINES,
        "formatting": "sharegpt",
        "ranking": False,
        "split": "train",
        "columns": columns,
        "tags": TAGS,
    }


def _turn(message: Record, number: int) -> Record:
    if message.get("reasoning_content"):
        raise RowError("reasoning", f"turn {number} has reasoning_content, for which LLaMA-Factory has no field")
    if not (calls := functions_of(message)):
        return {"role": message["role"], "content": message["content"]}
    if message["content"].strip():
        raise RowError("text-beside-call", f"turn {number} has a text beside its tool call; LLaMA-Factory takes one")
    functions = [{"name": call["name"], "arguments": arguments_of(call, number)} for call in calls]
    return {"role": TAGS["function_tag"], "content": json_text(functions)}


def _refuse_order(turns: list[Record]) -> None:
    """What LLaMA-Factory's converter would skip with a warning is refused here, with the turn at fault."""
    rest = turns[1:] if turns[0]["role"] == "system" else turns
    asks, answers = ("user", TAGS["observation_tag"]), ("assistant", TAGS["function_tag"])
    for place, turn in enumerate(rest):
        if turn["role"] not in (answers if place % 2 else asks):
            number = place + 1 + len(turns) - len(rest)
            expected = "an answer" if place % 2 else "a question or a tool result"
            detail = f"turn {number} is {turn['role']!r} where LLaMA-Factory needs {expected}"
            raise RowError("turns-do-not-alternate", detail)
    if len(rest) % 2:
        raise RowError("no-answer-at-the-end", "the last turn is no answer; LLaMA-Factory takes pairs of turns")


def _config(name: str, origin: Origin, recipe: TrainingRecipe, *, last_only: bool) -> str:
    said = "true  # the rows take their other answers out of the loss" if last_only else "false"
    trained = "the last answer of each row" if last_only else "the answers, all of them"
    return f"""\
# LLaMA-Factory on the rows of this folder. From within it: llamafactory-cli train {_CONFIG}
model_name_or_path: {json.dumps(origin.model)}  # the model to train{origin.place}
# template: qwen  # name your model's; without it the chat template of the tokenizer is parsed

stage: sft
do_train: true
dataset: {name}
dataset_dir: .
cutoff_len: {origin.max_length}  # as in the selection
train_on_prompt: false  # the loss is that of {trained}
mask_history: {said}
packing: false

finetuning_type: lora
lora_rank: {recipe.lora_rank}
lora_alpha: {recipe.lora_alpha}
lora_dropout: {recipe.lora_dropout}
lora_target: all

learning_rate: {recipe.learning_rate:.1e}
lr_scheduler_type: cosine
warmup_ratio: {recipe.warmup_ratio}
num_train_epochs: {recipe.epochs}
per_device_train_batch_size: {recipe.batch_size}
gradient_accumulation_steps: {recipe.accumulation}
bf16: true  # false where the hardware has none
seed: 0

output_dir: outputs
logging_steps: 10
report_to: none
"""
