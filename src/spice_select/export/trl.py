"""TRL (1.16): a `datasets` folder with a card, and a script that trains on it with the loss on the answers alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from spice_select.data.records import Conversation
from spice_select.errors import InputError
from spice_select.export.base import Origin, Record
from spice_select.export.card import COMPLETIONS, CONVERSATIONS, card
from spice_select.export.marked.parts import are_marked
from spice_select.export.marked.trl import TrlMarked
from spice_select.export.parquet import refuse_unkept, write_parquet
from spice_select.export.picks import Pick, are_pairs
from spice_select.export.preference.recipe import PairRecipe
from spice_select.export.preference.trl import TrlPairs
from spice_select.export.recipe import TrainingRecipe
from spice_select.export.records import drop_empty_column, messages_of, tools_text
from spice_select.export.rehearsal import Rehearsal, completion_mask
from spice_select.export.script import SCRIPT, script
from spice_select.export.trainee import Trainee
from spice_select.export.untrained import last_answer_only, refuse_other_answers, trains_on_its_end
from spice_select.store import write_text

_FOLDER = "data"


class Trl:
    """Rows for `SFTTrainer` as it takes them.

    Where every row trains on its last turn alone, they become `prompt` and `completion`: TRL then trains on the
    completion alone, under any chat template. Otherwise they are `messages`, for which TRL trains on *everything*
    unless ``assistant_only_loss=True``; that asks for a template with ``{% generation %}`` marks.

    `messages` cannot say that an answer is not trained on. Where rows say so, the layout is taken that leaves fewer
    rows out.
    """

    name: ClassVar[str] = "trl"
    as_they_came: ClassVar[bool] = False
    reads_template: ClassVar[bool] = True

    def __init__(
        self, recipe: TrainingRecipe | None = None, *, messages: bool = False, trainee: Trainee | None = None
    ) -> None:
        """`messages`: write `messages` even where every row is a pair. `trainee`: the model, where it is known."""
        self._recipe = recipe or TrainingRecipe()
        self._messages = messages
        self._trainee = trainee
        self._rehearsal = Rehearsal(trainee) if trainee is not None and not messages else None

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "Trl | TrlPairs | TrlMarked":
        if are_pairs(picks):
            if self._messages:
                raise InputError("--messages on preference pairs: they have one layout. Leave it out.")
            return TrlPairs(PairRecipe.like(self._recipe), trainee=trainee)
        if are_marked(picks):
            if self._messages:
                raise InputError("--messages on answers marked good or bad: they have one layout. Leave it out.")
            return TrlMarked(PairRecipe.like(self._recipe), trainee=trainee)
        said = [pick.reading for pick in picks if isinstance(pick.reading, Conversation)]
        pairs = not self._messages and (all(map(trains_on_its_end, said)) or last_answer_only(picks))
        return Trl(self._recipe, messages=not pairs, trainee=trainee)

    def record(self, pick: Pick) -> Record:
        conversation = pick.conversation
        refuse_other_answers(conversation, last_only=not self._messages, trainer="TRL's `messages` layout")
        messages = messages_of(conversation)
        if self._trainee is not None:
            messages = self._trainee.shown(messages)
        for number, message in enumerate(messages, start=1):
            refuse_unkept(message, number)
        said: Record = {"messages": messages}
        if not self._messages:
            self._rehearse(conversation, messages)
            said = {"prompt": messages[:-1], "completion": messages[-1:]}
        return {**said, "tools": tools_text(conversation), "source": conversation.source}

    def _rehearse(self, conversation: Conversation, messages: Sequence[Record]) -> None:
        if self._rehearsal is not None and self._rehearsal.possible:
            ids, mask = completion_mask(self._rehearsal, messages, conversation.tools)
            self._rehearsal.compare(conversation, ids, mask, "TRL")

    def notes(self, picks: Sequence[Pick]) -> tuple[str, ...]:
        return self._rehearsal.note("TRL") if self._rehearsal is not None else ()

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        as_pairs, lines = not self._messages, list(records)
        for column in ("tools", "source"):
            drop_empty_column(lines, column)
        data = f"{_FOLDER}/{write_parquet(folder / _FOLDER, lines).name}"
        columns = COMPLETIONS if as_pairs else CONVERSATIONS
        write_text(folder / "README.md", card(origin, rows=len(lines), columns=columns, data=data))
        write_text(folder / SCRIPT, script(origin, self._recipe, as_pairs=as_pairs, data=data))
        steps = (f"Train: `python {SCRIPT} MODEL` in the folder.", "Load: `datasets.load_dataset(FOLDER)['train']`.")
        return steps if as_pairs else (*steps, _TRAP)


_TRAP = "The rows are `messages`: without assistant_only_loss=True TRL trains on the questions too. The script sets it."
