"""TRL (1.16): pairs for `DPOTrainer`, in its explicit conversational layout, with a card and a script."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from spice_select.export.base import Origin, Record
from spice_select.export.card import card
from spice_select.export.parquet import refuse_unkept, write_parquet
from spice_select.export.picks import Pick
from spice_select.export.preference.losses import PairLoss
from spice_select.export.preference.recipe import PairRecipe
from spice_select.export.preference.script import pair_script
from spice_select.export.preference.sides import Sides, sides_of
from spice_select.export.records import drop_empty_column, tools_text
from spice_select.export.rehearsal import Rehearsal, completion_mask
from spice_select.export.script import SCRIPT
from spice_select.export.trainee import Trainee
from spice_select.store import write_text

_FOLDER = "data"
_COLUMNS = """\
`prompt` (the turns before the answers), `chosen` and `rejected` (an answer each), all three lists of turns: TRL's
`DPOTrainer` trains on the answers alone, under any chat template. That includes whatever the template writes after the
end of turn, often a line end, which the selection left out.
"""


class TrlPairs:
    """`prompt`, `chosen` and `rejected`, always lists of messages.

    Where there is no prompt, or it is text, TRL cuts at the longest common beginning of characters.
    """

    name: ClassVar[str] = "trl"
    as_they_came: ClassVar[bool] = False
    reads_template: ClassVar[bool] = True

    def __init__(self, recipe: PairRecipe | None = None, *, trainee: Trainee | None = None) -> None:
        """`trainee`: the model to train, where it is known."""
        self._recipe = recipe or PairRecipe()
        self._trainee = trainee
        self._rehearsal = Rehearsal(trainee) if trainee is not None else None

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "TrlPairs":
        return TrlPairs(self._recipe, trainee=trainee)

    def record(self, pick: Pick) -> Record:
        sides = sides_of(pick.pair, self._trainee)
        for number, message in enumerate((*sides.prompt, sides.chosen, sides.rejected), start=1):
            refuse_unkept(message, number)
        self._rehearse(pick, sides)
        chosen, _ = pick.pair.conversations
        said = {"prompt": sides.prompt, "chosen": [sides.chosen], "rejected": [sides.rejected]}
        return {**said, "tools": tools_text(chosen), "source": pick.pair.source}

    def _rehearse(self, pick: Pick, sides: Sides) -> None:
        if self._rehearsal is None or not self._rehearsal.possible:
            return
        for answer, own in zip((sides.chosen, sides.rejected), pick.pair.conversations, strict=True):
            ids, mask = completion_mask(self._rehearsal, [*sides.prompt, answer], own.tools)
            self._rehearsal.compare(own, ids, mask, "TRL")

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        return self._rehearsal.note("TRL") if self._rehearsal is not None else ()

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        lines, loss = list(records), PairLoss.of(origin.identity)
        for column in ("tools", "source"):
            drop_empty_column(lines, column)
        data = f"{_FOLDER}/{write_parquet(folder / _FOLDER, lines).name}"
        write_text(folder / "README.md", card(origin, rows=len(lines), columns=_COLUMNS, data=data, kind="preference"))
        write_text(folder / SCRIPT, pair_script(origin, self._recipe, loss, data=data))
        return (
            f"Train: `python {SCRIPT} MODEL` in the folder.",
            "Load: `datasets.load_dataset(FOLDER)['train']`.",
            *loss.remarks,
        )
