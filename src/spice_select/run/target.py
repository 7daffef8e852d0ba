"""The target of a run: rows of what matters, read from files of their own, and which of them the corpus holds too."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.corpus import read_corpus
from spice_select.data.duplicates import near_matches
from spice_select.data.encoding import Encoded, Encoder, encode_rows
from spice_select.data.formats import Format, described, detect_format
from spice_select.data.records import Conversation, Drop, Example, Row
from spice_select.data.settings import DataSettings
from spice_select.errors import InputError
from spice_select.progress import Progress
from spice_select.run.settings import SelectSettings

FEW, ENOUGH = 8, 16
"""Rows of a task below which its choice hangs on single rows, and from which on there are enough."""
ALIKE = 0.8
"""Jaccard similarity from which on a row of the corpus stands in the target too."""
TASK = "task"
"""The column that names a row's task."""


NO_TARGET: Mapping[str, Any] = {"target_sha256": None, "target_rows": 0}
"""What a run's identity says of the target where there is none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetRows:
    """A target as it was read and encoded.

    Attributes:
        rows: every row of its files, numbered through; without their `task` column.
        examples: the usable ones, as the proxy sees them; their numbers are those of `rows`.
        tasks: the task of each example.
        held_out: bool ``[m]``, examples that do not choose: they are kept for the verdict.
        drops: rows that cannot be used, with the reason.
        texts: what each row says, by its number.
        notes: what a person should know of it.
    """

    rows: Sequence[Row]
    examples: Sequence[Example]
    tasks: Sequence[str]
    held_out: NDArray[np.bool_]
    drops: Sequence[Drop] = ()
    texts: Mapping[int, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What of it decides a run's result, for its identity."""
        usable = [
            [self.rows[example.row].content_hash, task, bool(kept)]
            for example, task, kept in zip(self.examples, self.tasks, self.held_out, strict=True)
        ]
        digest = hashlib.sha256(json.dumps(usable).encode())
        return {"target_sha256": digest.hexdigest(), "target_rows": len(usable)}


def read_target(settings: SelectSettings, encoder: Encoder, progress: Progress) -> TargetRows | None:
    """The rows that the settings name as the target; None where they name none.

    Several files are several tasks, called by the files' names; a column ``task`` names the task of a row.

    Raises:
        InputError: a file that cannot be read or of which no row can be used; a task with no row left.
    """
    asked = settings.target
    if not asked.target:
        return None
    read = list[_File]()
    for name in asked.target:
        task = Path(name).name.split(".")[0] if len(asked.target) > 1 else ""
        first = sum(len(file.rows) for file in read)
        read.append(_File.read(name, task, first, settings, encoder))
        progress.note(f"Target {name}: {len(read[-1].rows):,} rows, {described(read[-1].format)}")
    examples = [example for file in read for example in file.encoded.examples]
    tasks = [file.tasks[example.row] for file in read for example in file.encoded.examples]
    held = _held_out(tasks, settings.selection.seed) if asked.hold_out_target else np.zeros(len(tasks), bool)
    return TargetRows(
        rows=[row for file in read for row in file.rows],
        examples=examples,
        tasks=tasks,
        held_out=held,
        drops=[drop for file in read for drop in file.encoded.drops],
        texts={number: text for file in read for number, text in texts_of(file.rows, file.format).items()},
        notes=[*(note for file in read for note in file.notes), *_told(examples, tasks, held)],
    )


def texts_of(rows: Sequence[Row], row_format: Format) -> dict[int, str]:
    """What every readable row says, all turns together, by the row's number."""
    read = [row_format.read(row) for row in rows]
    return {
        one.row.number: "\n".join(str(turn.get("content") or "") for turn in one.messages)
        for one in read
        if isinstance(one, Conversation)
    }


def standing_in(target: TargetRows, rows: Sequence[Row], row_format: Format, progress: Progress) -> list[Drop]:
    """The rows of the corpus that stand in the target too, exactly or nearly: they leave the pool.

    A row that is trained on and judged by would flatter the choice. Nearly: Jaccard similarity of shingles of
    `ALIKE` or more. Cost: some 0.2 ms a row.

    Raises:
        InputError: that is every row.
    """
    texts, numbers = texts_of(rows, row_format), sorted(target.texts)
    with progress.task("Comparing with the target", len(texts), "rows") as advance:
        pool = sorted(texts)
        pairs = near_matches([target.texts[n] for n in numbers], [texts[n] for n in pool], ALIKE, advance)
    best: dict[int, tuple[float, int]] = {}
    for left, right, similarity in pairs:
        best[pool[right]] = max(best.get(pool[right], (0.0, 0)), (similarity, -numbers[left]))
    if best and len(best) == len(texts):
        raise InputError(
            "--target: every row of the corpus stands in the target too, so none is left to choose. Give rows of what "
            "matters that are not in the corpus, or take the target's rows out of it."
        )
    return [
        Drop(number, "in-target", f"{_likeness(similarity)} {target.rows[-negative].where} of the target")
        for number, (similarity, negative) in sorted(best.items())
    ]


def _likeness(similarity: float) -> str:
    return "says what" if similarity == 1 else f"says nearly what (Jaccard {similarity:.2f})"


@dataclass(frozen=True, kw_only=True)
class _File:
    """One file of a target.

    Attributes:
        rows: numbered on from the files before; without their `task` column.
        tasks: the task of each row, by its number.
        format: how they are laid out.
        encoded: as the proxy sees them.
        notes: what is to be said of it.
    """

    rows: Sequence[Row]
    tasks: Mapping[int, str]
    format: Format
    encoded: Encoded
    notes: Sequence[str]

    @classmethod
    def read(cls, name: str, task: str, first: int, settings: SelectSettings, encoder: Encoder) -> "_File":
        try:
            corpus = read_corpus(name, DataSettings(), allow_network=settings.proxy.allow_network)
            rows = [
                Row(first + row.number, {key: value for key, value in row.raw.items() if key != TASK}, row.where)
                for row in corpus.rows
            ]
            row_format = detect_format(rows)
            encoded = encode_rows(rows, row_format, encoder)
        except InputError as error:
            raise InputError(f"--target {name}: {error}") from error
        tasks = {first + row.number: str(row.raw.get(TASK) or task) for row in corpus.rows}
        _refuse_emptied(name, tasks, encoded)
        return cls(
            rows=rows,
            tasks=tasks,
            format=row_format,
            encoded=encoded,
            notes=[f"Target {name}: {note}" for note in [*corpus.notes, *encoded.notes, *_left_out(encoded)]],
        )


def _left_out(encoded: Encoded) -> list[str]:
    told = [f"{count} rows cannot be used: {reason}." for reason, count in encoded.reasons.items()]
    if encoded.truncated:
        told.append(f"{encoded.truncated} rows were cut at the maximum length: raise --max-length to have them whole.")
    return told


def _refuse_emptied(name: str, tasks: Mapping[int, str], encoded: Encoded) -> None:
    left = {tasks[example.row] for example in encoded.examples}
    for drop in encoded.drops:
        if tasks[drop.row] not in left:
            raise InputError(
                f"--target {name}: no row of the task {tasks[drop.row]!r} can be used; the first: {drop.reason} "
                f"({drop.detail}). Mend its rows, or take the task out."
            )


def _held_out(tasks: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Half of each task's rows, drawn by the seed; a task of one row keeps it for choosing."""
    held, draw = np.zeros(len(tasks), bool), np.random.default_rng([seed, 5])
    for task in dict.fromkeys(tasks):
        rows = np.flatnonzero([one == task for one in tasks])
        held[draw.permutation(rows)[: len(rows) // 2]] = True
    return held


def _told(examples: Sequence[Example], tasks: Sequence[str], held: NDArray[np.bool_]) -> list[str]:
    """Too few rows in a task, and rows that stand in the target twice."""
    counts = Counter(task for task, out in zip(tasks, held, strict=True) if not out)
    told = [
        f"The target{f' task {task!r}' if task else ''} has {count} {'row' if count == 1 else 'rows'} to choose by: "
        f"below {FEW} the choice hangs on single rows; {ENOUGH} to 64 are enough."
        for task, count in counts.items()
        if count < FEW
    ]
    twice = len(examples) - len({example.content_hash for example in examples})
    if twice:
        told.append(f"{twice} rows of the target repeat others of it: they count as often as they stand there.")
    return told
