"""LLaMA-Factory (0.9.5): marked answers in its `sharegpt` layout with `kto_tag`."""

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
from spice_select.export.marked.parts import parts_of
from spice_select.export.marked.weights import FOR_KL, MarkWeights, one_mark
from spice_select.export.named import named_in_yaml
from spice_select.export.picks import Pick
from spice_select.export.preference.recipe import OF_REFERENCE, PairRecipe
from spice_select.export.recipe import llamafactory_recipe
from spice_select.export.records import drop_empty_column
from spice_select.export.trainee import Trainee
from spice_select.store import write_json, write_text

_TAG = "kto_tag"


class LlamaFactoryMarked:
    """Turns that end with the answer, and its mark."""

    name: ClassVar[str] = "llamafactory"
    as_they_came: ClassVar[bool] = False
    reads_template: ClassVar[bool] = False

    def __init__(self, recipe: PairRecipe | None = None) -> None:
        self._recipe = recipe or PairRecipe()

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "LlamaFactoryMarked":
        return self

    def record(self, pick: Pick) -> Record:
        """Question and answer by turns after at most one system turn, up to the marked answer; else a `RowError`."""
        conversation = pick.conversation
        parts = parts_of(conversation, None)
        turns = [factory_turn(turn, number) for number, turn in enumerate((*parts.prompt, parts.answer), start=1)]
        refuse_order(turns)
        return {"messages": turns, _TAG: parts.label, "tools": plain_tools(conversation.tools)}

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        return (*one_mark(picks), *form_notes(picks))

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        lines = list(records)
        drop_empty_column(lines, "tools")
        name, weights = dataset_name(origin.run), MarkWeights.of([line[_TAG] for line in lines])
        write_records(folder / LINES, lines)
        info = dataset_info(has_tools="tools" in lines[0], tag=_TAG)
        write_json(folder / LLAMAFACTORY_INFO, {name: info})
        write_text(folder / LLAMAFACTORY_CONFIG, _config(name, origin, self._recipe, weights))
        return (
            f"Train: cd into the folder, then `llamafactory-cli train {LLAMAFACTORY_CONFIG}`.",
            cut_note("rows", origin.max_length),
        )


def _config(name: str, origin: Origin, recipe: PairRecipe, weights: MarkWeights) -> str:
    return f"""\
# LLaMA-Factory on the marked answers of this folder. From within it: llamafactory-cli train {LLAMAFACTORY_CONFIG}
{named_in_yaml(origin, "llamafactory")}
# template: qwen  # name your model's; without it the chat template of the tokenizer is parsed

stage: kto
do_train: true
dataset: {name}
dataset_dir: .
{cutoff(origin.max_length)}

pref_beta: {recipe.beta}
kto_chosen_weight: {weights.good}  # as many pulls towards good answers as away from bad ones
kto_rejected_weight: {weights.bad}

{llamafactory_recipe(recipe, adapter=OF_REFERENCE, batch=FOR_KL)}"""
