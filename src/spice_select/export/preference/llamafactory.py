"""LLaMA-Factory (0.9.5): pairs in its `sharegpt` layout, with `ranking: true` and every column and tag spelled out."""

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
from spice_select.export.named import named_in_yaml
from spice_select.export.picks import Pick
from spice_select.export.preference.losses import PairLoss
from spice_select.export.preference.recipe import OF_REFERENCE, PairRecipe
from spice_select.export.preference.sides import sides_of
from spice_select.export.recipe import llamafactory_recipe
from spice_select.export.records import drop_empty_column
from spice_select.export.trainee import Trainee
from spice_select.store import write_json, write_text

_ANSWERS = ("chosen", "rejected")


class LlamaFactoryPairs:
    """Turns that end with a question, and two answers of one turn each."""

    name: ClassVar[str] = "llamafactory"
    as_they_came: ClassVar[bool] = False
    reads_template: ClassVar[bool] = False

    def __init__(self, recipe: PairRecipe | None = None) -> None:
        self._recipe = recipe or PairRecipe()

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "LlamaFactoryPairs":
        return self

    def record(self, pick: Pick) -> Record:
        """Question and answer by turns after at most one system turn, up to the last question; else a `RowError`."""
        sides = sides_of(pick.pair, None)
        prompt = [factory_turn(message, number) for number, message in enumerate(sides.prompt, start=1)]
        last = len(prompt) + 1
        chosen, rejected = (factory_turn(message, last) for message in (sides.chosen, sides.rejected))
        refuse_order([*prompt, chosen])
        return {"messages": prompt, "chosen": chosen, "rejected": rejected, "tools": plain_tools(pick.pair.tools)}

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        return form_notes(picks)

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        lines = list(records)
        drop_empty_column(lines, "tools")
        name, loss = dataset_name(origin.run), PairLoss.of(origin.identity)
        write_records(folder / LINES, lines)
        info = dataset_info(has_tools="tools" in lines[0], answers=_ANSWERS)
        write_json(folder / LLAMAFACTORY_INFO, {name: info})
        write_text(folder / LLAMAFACTORY_CONFIG, _config(name, origin, self._recipe, loss))
        return (
            f"Train: cd into the folder, then `llamafactory-cli train {LLAMAFACTORY_CONFIG}`.",
            cut_note("pairs", origin.max_length),
            *loss.remarks,
        )


def _config(name: str, origin: Origin, recipe: PairRecipe, loss: PairLoss) -> str:
    tail = f"ld_alpha: {loss.tail}  # as in the selection\n" if loss.tail is not None else ""
    return f"""\
# LLaMA-Factory on the pairs of this folder. From within it: llamafactory-cli train {LLAMAFACTORY_CONFIG}
{named_in_yaml(origin, "llamafactory")}
# template: qwen  # name your model's; without it the chat template of the tokenizer is parsed

stage: dpo
do_train: true
dataset: {name}
dataset_dir: .
{cutoff(origin.max_length)}

pref_beta: {recipe.beta}
pref_loss: {loss.llamafactory}  # {loss.comment}
{tail}
{llamafactory_recipe(recipe, adapter=OF_REFERENCE)}"""
