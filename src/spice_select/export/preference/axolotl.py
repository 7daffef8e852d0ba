"""Axolotl (0.19.0): pairs for its `chat_template.default` of preference data."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from spice_select.data.formats.base import RowError
from spice_select.export.base import Origin, Record
from spice_select.export.folder import LINES, write_records
from spice_select.export.named import named_in_yaml
from spice_select.export.picks import Pick
from spice_select.export.preference.losses import PairLoss
from spice_select.export.preference.recipe import OF_REFERENCE, PairRecipe
from spice_select.export.preference.sides import Sides, sides_of
from spice_select.export.recipe import axolotl_recipe
from spice_select.export.rehearsal import DUMMY, Rehearsal
from spice_select.export.trainee import Trainee
from spice_select.settings.counted import counted
from spice_select.store import write_text

_CONFIG = "axolotl.yaml"
_READ = {"role", "content"}
_NO_TAIL = "axolotl has no setting for --pair-gradient tail; it trains on the sums."


class AxolotlPairs:
    """Messages and two answers, of which axolotl reads role and content alone.

    It renders an answer after a question of its own, and takes what follows the first place where the answer's words
    stand in that text.
    """

    name: ClassVar[str] = "axolotl"
    as_they_came: ClassVar[bool] = False
    reads_template: ClassVar[bool] = True

    def __init__(self, recipe: PairRecipe | None = None, *, trainee: Trainee | None = None) -> None:
        """`trainee`: the model to train, where it is known."""
        self._recipe = recipe or PairRecipe()
        self._trainee = trainee
        self._rehearsal = Rehearsal(trainee) if trainee is not None else None
        self._lengths: list[int] = []
        self._beheaded = 0

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "AxolotlPairs":
        return AxolotlPairs(self._recipe, trainee=trainee)

    def record(self, pick: Pick) -> Record:
        sides = sides_of(pick.pair, self._trainee)
        if pick.pair.tools:
            raise RowError("tools", "axolotl shows no tools to the template of a pair")
        for number, message in enumerate((*sides.prompt, sides.chosen, sides.rejected), start=1):
            if lost := sorted(message.keys() - _READ):
                detail = f"turn {number} has {', '.join(lost)}; axolotl reads role and content of a pair's turns"
                raise RowError("fields-of-turns", detail)
        self._rehearse(sides)
        return {"messages": sides.prompt, "chosen": sides.chosen, "rejected": sides.rejected}

    def _rehearse(self, sides: Sides) -> None:
        """A `RowError` where axolotl would cut an answer at the wrong place, under the template of the model."""
        if self._rehearsal is None or not self._rehearsal.possible:
            return
        asked: Record = {"role": "user", "content": DUMMY}
        head = self._rehearsal.text([asked], prompt=True)
        beheaded = False
        for answer in (sides.chosen, sides.rejected):
            text = self._rehearsal.text([asked, answer])
            place = text.find(answer["content"])
            if place < 0 or (text.startswith(head) and place < len(head)):
                found = "nowhere" if place < 0 else "before the answer"
                raise RowError("other-tokens", f"axolotl looks for the answer's words, and finds them {found}")
            beheaded |= place > len(head)
        self._beheaded += beheaded
        whole = [[*sides.prompt, answer] for answer in (sides.chosen, sides.rejected)]
        self._lengths.append(max(len(self._rehearsal.render(messages, ())) for messages in whole))

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        if not self._beheaded:
            return ()
        return (
            "axolotl leaves out what the template writes at the head of an answer: in "
            f"{counted(self._beheaded, 'row')} it trains "
            "on other tokens than the selection saw.",
        )

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        write_records(folder / LINES, records)
        loss = PairLoss.of(origin.identity)
        write_text(folder / _CONFIG, _config(origin, self._recipe, loss))
        steps = [
            f"Train: cd into the folder, then `axolotl train {_CONFIG}`.",
            f"See what is trained on first: `axolotl preprocess {_CONFIG} --debug`.",
        ]
        if long := sum(length > origin.max_length for length in self._lengths):
            steps.append(f"axolotl drops pairs with a side longer than sequence_len, which the selection cut: {long}.")
        if loss.tail is not None:
            steps.append(_NO_TAIL)
        return (*steps, *loss.remarks)


def _config(origin: Origin, recipe: PairRecipe, loss: PairLoss) -> str:
    said = loss.comment if loss.tail is None else _NO_TAIL
    return f"""\
# Axolotl on the pairs of this folder. From within it: axolotl train {_CONFIG}
{named_in_yaml(origin, "axolotl")}

rl: {loss.axolotl}  # {said}
rl_beta: {recipe.beta}
chat_template: tokenizer_default
datasets:
  - path: {LINES}
    ds_type: json
    split: train
    type: chat_template.default
    field_messages: messages
    field_chosen: chosen
    field_rejected: rejected
    message_property_mappings:
      role: role
      content: content
    roles:
      system: [system]
      user: [user]
      assistant: [assistant]
      tool: [tool]
dataset_prepared_path: prepared
val_set_size: 0.0

sequence_len: {origin.max_length}  # as in the selection; axolotl drops longer pairs, which the selection cut
sample_packing: false

{axolotl_recipe(recipe, adapter=OF_REFERENCE)}"""
