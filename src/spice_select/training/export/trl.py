"""TRL (1.16): a `datasets` folder with a card, and a script that trains on it with the loss on the answers alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spice_select.errors import InputError
from spice_select.store import atomic, sha256
from spice_select.training.export.base import Origin, Record
from spice_select.training.export.card import card
from spice_select.training.export.folder import write_text
from spice_select.training.export.picks import Pick
from spice_select.training.export.recipe import Recipe
from spice_select.training.export.script import SCRIPT, script
from spice_select.training.export.texts import drop_empty_column, messages_of, tools_text

if TYPE_CHECKING:
    from datasets import Features

DATA = "data"


class Trl:
    """Rows for `SFTTrainer` as it takes them.

    Where every row's only answer is its last turn, they become `prompt` and `completion`: TRL then trains on the
    completion alone, under any chat template. Otherwise they are `messages`, for which TRL trains on *everything*
    unless ``assistant_only_loss=True``; that asks for a template with ``{% generation %}`` marks.
    """

    name = "trl"

    def __init__(self, recipe: Recipe | None = None, *, messages: bool = False) -> None:
        """`messages`: write `messages` even where every row is a pair."""
        self._recipe = recipe or Recipe()
        self._messages = messages

    def record(self, pick: Pick) -> Record:
        conversation = pick.conversation
        return {
            "messages": messages_of(conversation),
            "tools": tools_text(conversation),
            "source": conversation.source,
        }

    def write(self, folder: Path, records: Sequence[Record], origin: Origin) -> tuple[str, ...]:
        as_pairs = not self._messages and all(is_pair(record["messages"]) for record in records)
        lines = [_as_pair(record) for record in records] if as_pairs else list(records)
        for column in ("tools", "source"):
            drop_empty_column(lines, column)
        data = f"{DATA}/{_write_parquet(folder / DATA, lines).name}"
        write_text(folder / "README.md", card(origin, rows=len(lines), as_pairs=as_pairs, data=data))
        write_text(folder / SCRIPT, script(origin, self._recipe, as_pairs=as_pairs, data=data))
        steps = (f"Train: `python {SCRIPT} MODEL` in the folder.", "Load: `datasets.load_dataset(FOLDER)['train']`.")
        return steps if as_pairs else (*steps, _TRAP)


_TRAP = (
    "The rows have several answers each, so they are `messages`: without assistant_only_loss=True TRL trains on the "
    "questions too. The script sets it."
)


def is_pair(messages: Sequence[Record]) -> bool:
    """Whether the only answer of a conversation is its last turn, and something comes before it."""
    return len(messages) > 1 and [i for i, m in enumerate(messages) if m["role"] == "assistant"] == [len(messages) - 1]


def _as_pair(record: Record) -> Record:
    *prompt, answer = record["messages"]
    return {"prompt": prompt, "completion": [answer], **{k: v for k, v in record.items() if k != "messages"}}


def _write_parquet(folder: Path, records: Sequence[Record]) -> Path:
    """Write one Parquet file, named by its content: under one name `datasets` would take old rows from its cache."""
    import pyarrow.parquet as pq
    from datasets import Dataset

    features = _features(records)
    columns = {name: [record.get(name) for record in records] for name in features}
    # `datasets` names its features in the table's metadata; Parquet carries that along
    table = Dataset.from_dict(columns, features=features).data.table
    folder.mkdir(parents=True, exist_ok=True)
    unnamed = folder / "train.parquet"
    with atomic(unnamed) as aside:
        pq.write_table(table.replace_schema_metadata(features.arrow_schema.metadata), aside)
    return unnamed.rename(folder / f"train-{sha256(unnamed)[:16]}.parquet")


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
