"""TRL (1.16): marked answers for `KTOTrainer`, in its unpaired conversational layout, with a card and a script."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from spice_select.export.base import Origin, Record
from spice_select.export.card import card
from spice_select.export.marked.parts import parts_of
from spice_select.export.marked.script import marked_script
from spice_select.export.marked.weights import MarkWeights, one_mark
from spice_select.export.parquet import refuse_unkept, write_parquet
from spice_select.export.picks import Pick
from spice_select.export.preference.recipe import PairRecipe
from spice_select.export.records import drop_empty_column, tools_text
from spice_select.export.rehearsal import Rehearsal, completion_mask
from spice_select.export.script import SCRIPT
from spice_select.export.trainee import Trainee
from spice_select.store import write_text

_FOLDER = "data"
_COLUMNS = """\
`prompt` (the turns before the answer), `completion` (the answer), both lists of turns, and `label`: whether the answer
is one to give. TRL's `KTOTrainer` trains on the answers alone, under any chat template. That includes whatever the
template writes after the end of turn, often a line end, which the selection left out.
"""


class TrlMarked:
    """`prompt`, `completion` and `label`."""

    name: ClassVar[str] = "trl"
    as_they_came: ClassVar[bool] = False
    reads_template: ClassVar[bool] = True

    def __init__(self, recipe: PairRecipe | None = None, *, trainee: Trainee | None = None) -> None:
        """`trainee`: the model to train, where it is known."""
        self._recipe = recipe or PairRecipe()
        self._trainee = trainee
        self._rehearsal = Rehearsal(trainee) if trainee is not None else None

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "TrlMarked":
        return TrlMarked(self._recipe, trainee=trainee)

    def record(self, pick: Pick) -> Record:
        conversation = pick.conversation
        parts = parts_of(conversation, self._trainee)
        messages = [*parts.prompt, parts.answer]
        for number, message in enumerate(messages, start=1):
            refuse_unkept(message, number)
        if self._rehearsal is not None and self._rehearsal.possible:
            ids, mask = completion_mask(self._rehearsal, messages, conversation.tools)
            self._rehearsal.compare(conversation, ids, mask, "TRL")
        said: Record = {"prompt": parts.prompt, "completion": [parts.answer], "label": parts.label}
        return {**said, "tools": tools_text(conversation), "source": conversation.source}

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        return (*one_mark(picks), *(self._rehearsal.note("TRL") if self._rehearsal is not None else ()))

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        lines = list(records)
        for column in ("tools", "source"):
            drop_empty_column(lines, column)
        data = f"{_FOLDER}/{write_parquet(folder / _FOLDER, lines).name}"
        weights = MarkWeights.of([line["label"] for line in lines])
        write_text(folder / "README.md", card(origin, rows=len(lines), columns=_COLUMNS, data=data, kind="preference"))
        write_text(folder / SCRIPT, marked_script(origin, self._recipe, weights, data=data))
        return (f"Train: `python {SCRIPT} MODEL` in the folder.", "Load: `datasets.load_dataset(FOLDER)['train']`.")
