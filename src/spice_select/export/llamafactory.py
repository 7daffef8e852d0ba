"""LLaMA-Factory (0.9.5): JSON lines, `dataset_info.json` with every key, and a training configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from spice_select.export.base import Origin, Record
from spice_select.export.folder import LINES, write_records
from spice_select.export.llamafactory_layout import (
    LLAMAFACTORY_CONFIG,
    LLAMAFACTORY_INFO,
    cut_note,
    cutoff,
    dataset_info,
    dataset_name,
    factory_turn,
    form_notes,
    refuse_order,
)
from spice_select.export.llamafactory_tools import plain_tools
from spice_select.export.marked.llamafactory import LlamaFactoryMarked
from spice_select.export.marked.parts import are_marked
from spice_select.export.named import named_in_yaml
from spice_select.export.picks import Pick, are_pairs
from spice_select.export.preference.llamafactory import LlamaFactoryPairs
from spice_select.export.preference.recipe import PairRecipe
from spice_select.export.recipe import TrainingRecipe, llamafactory_recipe
from spice_select.export.records import drop_empty_column, messages_of
from spice_select.export.trainee import Trainee
from spice_select.export.untrained import last_answer_only, refuse_other_answers
from spice_select.store import write_json, write_text


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

    def fitted(
        self, picks: Sequence[Pick], trainee: Trainee
    ) -> "LlamaFactory | LlamaFactoryPairs | LlamaFactoryMarked":
        """With `last_only` where that is what the rows' own marks say, or leaves fewer rows out than training on all.

        LLaMA-Factory has no mark for a turn: its `mask_history` holds for all rows.
        """
        if are_pairs(picks):
            return LlamaFactoryPairs(PairRecipe.like(self._recipe))
        if are_marked(picks):
            return LlamaFactoryMarked(PairRecipe.like(self._recipe))
        return LlamaFactory(self._recipe, last_only=last_answer_only(picks))

    def record(self, pick: Pick) -> Record:
        """The turns, strictly question and answer by turns after at most one system turn; else a `RowError`."""
        conversation = pick.conversation
        turns = [factory_turn(message, number) for number, message in enumerate(messages_of(conversation), start=1)]
        refuse_order(turns)
        refuse_other_answers(conversation, last_only=self._last_only, trainer="LLaMA-Factory")
        return {"messages": turns, "tools": plain_tools(conversation.tools)}

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        return form_notes(picks)

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        lines = list(records)
        drop_empty_column(lines, "tools")
        name = dataset_name(origin.run)
        write_records(folder / LINES, lines)
        write_json(folder / LLAMAFACTORY_INFO, {name: dataset_info(has_tools="tools" in lines[0])})
        write_text(folder / LLAMAFACTORY_CONFIG, _config(name, origin, self._recipe, last_only=self._last_only))
        return (
            f"Train: cd into the folder, then `llamafactory-cli train {LLAMAFACTORY_CONFIG}`.",
            cut_note("rows", origin.max_length),
            f"In a data folder of your own: copy {LINES} there, and the entry of {LLAMAFACTORY_INFO} into its "
            f"{LLAMAFACTORY_INFO}.",
        )


def _config(name: str, origin: Origin, recipe: TrainingRecipe, *, last_only: bool) -> str:
    said = "true  # the rows take their other answers out of the loss" if last_only else "false"
    trained = "the last answer of each row" if last_only else "the answers, all of them"
    return f"""\
# LLaMA-Factory on the rows of this folder. From within it: llamafactory-cli train {LLAMAFACTORY_CONFIG}
{named_in_yaml(origin, "llamafactory")}
# template: qwen  # name your model's; without it the chat template of the tokenizer is parsed

stage: sft
do_train: true
dataset: {name}
dataset_dir: .
{cutoff(origin.max_length)}
train_on_prompt: false  # the loss is that of {trained}
mask_history: {said}
packing: false

{llamafactory_recipe(recipe)}"""
