"""TRL (1.16): a `datasets` folder with a card, and a script that trains on it with the loss on the answers alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from spice_select.data.formats.base import RowError
from spice_select.data.plain import json_text
from spice_select.data.records import Conversation, Drop
from spice_select.errors import InputError
from spice_select.export.base import Origin, Record
from spice_select.export.card import card
from spice_select.export.picks import Pick
from spice_select.export.recipe import TrainingRecipe
from spice_select.export.records import drop_empty_column, messages_of, tools_text
from spice_select.export.rehearsal import Rehearsal, completion_mask
from spice_select.export.script import SCRIPT, script
from spice_select.export.trainee import Trainee
from spice_select.export.untrained import last_answer_only, refuse_other_answers, trains_on_its_end
from spice_select.run.dataset import survives
from spice_select.store import atomic, sha256, write_text

if TYPE_CHECKING:
    from datasets import Features

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

    def fitted(self, picks: Sequence[Pick], trainee: Trainee) -> "Trl":
        said = [pick.reading for pick in picks if not isinstance(pick.reading, Drop)]
        pairs = not self._messages and (all(map(trains_on_its_end, said)) or last_answer_only(picks))
        return Trl(self._recipe, messages=not pairs, trainee=trainee)

    def record(self, pick: Pick) -> Record:
        conversation = pick.conversation
        refuse_other_answers(conversation, last_only=not self._messages, trainer="TRL's `messages` layout")
        messages = messages_of(conversation)
        if self._trainee is not None:
            messages = self._trainee.shown(messages)
        for number, message in enumerate(messages, start=1):
            _refuse_unreadable(message, number)
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
        data = f"{_FOLDER}/{_write_parquet(folder / _FOLDER, lines).name}"
        write_text(folder / "README.md", card(origin, rows=len(lines), as_pairs=as_pairs, data=data))
        write_text(folder / SCRIPT, script(origin, self._recipe, as_pairs=as_pairs, data=data))
        steps = (f"Train: `python {SCRIPT} MODEL` in the folder.", "Load: `datasets.load_dataset(FOLDER)['train']`.")
        return steps if as_pairs else (*steps, _TRAP)


_TRAP = "The rows are `messages`: without assistant_only_loss=True TRL trains on the questions too. The script sets it."


def _refuse_unreadable(message: Record, number: int) -> None:
    """Raise a `RowError` where `datasets` would read or write back another number than the turn holds."""
    if message.keys() != {"role", "content"} and not survives(message):
        detail = f"turn {number} holds a number that `datasets` does not keep (beyond 64 bits, or of many digits)"
        raise RowError("number-not-kept", detail)


def _write_parquet(folder: Path, records: Sequence[Record]) -> Path:
    """Write one Parquet file, named by its content: under one name `datasets` would take old rows from its cache."""
    import pyarrow.parquet as pq
    from datasets import Dataset

    features = _features(records)
    columns = {name: [_stored(record.get(name), features[name]) for record in records] for name in features}
    # `datasets` names its features in the table's metadata; Parquet carries that along
    table = Dataset.from_dict(columns, features=features).data.table
    folder.mkdir(parents=True, exist_ok=True)
    unnamed = folder / "train.parquet"
    with atomic(unnamed) as aside:
        pq.write_table(table.replace_schema_metadata(features.arrow_schema.metadata), aside)
    return unnamed.rename(folder / f"train-{sha256(unnamed)[:16]}.parquet")


def _stored(value: Any, feature: Any) -> Any:
    """Turns with fields of their own as JSON text: `datasets` itself would write their fractions to ten digits."""
    plain = not isinstance(value, list) or isinstance(feature.feature, dict)
    return value if plain else [json_text(turn) for turn in value]


def _features(records: Sequence[Record]) -> "Features":
    """Two strings a turn where that is all there is; else each turn as JSON, so that no field is made up or lost."""
    from datasets import Features, List, Value

    text = Value("string")
    lists = [name for name in ("prompt", "completion", "messages") if name in records[0]]
    plain = all(turn.keys() == {"role", "content"} for record in records for name in lists for turn in record[name])
    turn = {"role": text, "content": text} if plain else _json()
    known: dict[str, Any] = {name: List(turn) for name in lists}
    known |= {name: text for name in ("tools", "source") if name in records[0]}
    if "spice" in records[0]:
        number, whole = Value("float64"), Value("int64")
        known["spice"] = dict.fromkeys(("gain", "epsilon", "conflict"), number) | {
            "rank": whole,
            "row": whole,
            "sha256": text,
        }
    return Features(known)


def _json() -> Any:
    import datasets

    if not hasattr(datasets, "Json"):
        raise InputError(
            f"datasets {datasets.__version__} cannot hold tool calls as they are. Upgrade it: pip install -U datasets."
        )
    return datasets.Json()
