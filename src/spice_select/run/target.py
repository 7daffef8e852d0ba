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
from spice_select.data.encoding import Encoded, Encoder, encode_rows
from spice_select.data.formats import FORMATS, Format, described, detect_format
from spice_select.data.formats.base import group_name
from spice_select.data.formats.fields import says_nothing
from spice_select.data.records import Drop, Example, Row
from spice_select.data.settings import DataSettings
from spice_select.errors import InputError
from spice_select.progress import Progress
from spice_select.run.alike import rows_in_both, texts_of
from spice_select.run.settings import SelectSettings
from spice_select.settings.counted import counted

FEW, ENOUGH = 8, 16
"""Rows of a task below which its choice may hang on single rows, and from which on there are enough (T8)."""
TASK = "task"
"""The column that names a row's task."""
NO_TARGET: Mapping[str, Any] = {"target_sha256": None, "target_examples_sha256": None, "target_rows": 0}
"""What a run's identity says of the target where there is none."""
IN_TARGET = "in-target"
"""Why a row of the corpus that stands in the target leaves the pool."""
CHOOSING, HELD_OUT = "choosing", "held-out"
"""What a usable row of the target is for."""
_NAMED = 8  # tasks that a note names; of more it says how many


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
        formats: how each row is laid out, by its number: as its file is.
        notes: what a person should know of it.
    """

    rows: Sequence[Row]
    examples: Sequence[Example]
    tasks: Sequence[str]
    held_out: NDArray[np.bool_]
    drops: Sequence[Drop] = ()
    texts: Mapping[int, str] = field(default_factory=dict)
    formats: Mapping[int, Format] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def uses(self) -> dict[int, str]:
        """What became of each row, by its number: ``choosing``, ``held-out``, or why it cannot be used."""
        told = {drop.row: drop.reason for drop in self.drops}
        for example, out in zip(self.examples, self.held_out, strict=True):
            told[example.row] = HELD_OUT if out else CHOOSING
        return told

    @property
    def facts(self) -> dict[str, Any]:
        """What of it decides a run's result, for its identity: all of it, and what its features are made from."""
        tasks, uses = {e.row: task for e, task in zip(self.examples, self.tasks, strict=True)}, self.uses
        whole = [[row.content_hash, tasks.get(row.number), uses[row.number]] for row in self.rows]
        seen = hashlib.sha256()
        for example in self.examples:
            seen.update(json.dumps([example.row, example.num_tokens]).encode())
            seen.update(example.input_ids.astype(np.int64).tobytes())
            seen.update(np.asarray(example.supervised, bool).tobytes())
        return {
            "target_sha256": hashlib.sha256(json.dumps(whole).encode()).hexdigest(),
            "target_examples_sha256": seen.hexdigest(),
            "target_rows": len(self.examples),
        }


def read_target(settings: SelectSettings, encoder: Encoder, progress: Progress) -> TargetRows | None:
    """The rows that the settings name as the target; None where they name none.

    Several files are several tasks, called by the files' names; a column ``task`` names the task of a row.

    Raises:
        InputError: a file that cannot be read, is given twice, or of which no row can be used; a task with no row
            left, or with none to hold out.
    """
    asked = settings.target
    if not asked.target:
        return None
    _refuse_twice(asked.target)
    read, names = list[_File](), _task_names(asked.target)
    for name, task in zip(asked.target, names, strict=True):
        first = sum(len(file.rows) for file in read)
        read.append(_File.read(name, task, first, settings, encoder, alone=len(names) == 1))
        progress.note(f"Target {name}: {counted(len(read[-1].rows), 'row')}, {described(read[-1].format)}")
    examples = [example for file in read for example in file.encoded.examples]
    tasks = [file.tasks[example.row] for file in read for example in file.encoded.examples]
    held = np.zeros(len(tasks), bool)
    if asked.hold_out_target:
        held = _held_out(examples, tasks, settings.selection.seed)
    return TargetRows(
        rows=[row for file in read for row in file.rows],
        examples=examples,
        tasks=tasks,
        held_out=held,
        drops=[drop for file in read for drop in file.encoded.drops],
        texts={number: text for file in read for number, text in texts_of(file.rows, file.format).items()},
        formats={row.number: file.format for file in read for row in file.rows},
        notes=[*(note for file in read for note in file.notes), *_told(examples, tasks, held)],
    )


def standing_in(target: TargetRows, rows: Sequence[Row], row_format: Format, progress: Progress) -> list[Drop]:
    """The rows of the corpus that stand in the target too, exactly or nearly: they leave the pool.

    A row that is trained on and judged by would flatter the choice. Nearly, and the cost: see `rows_in_both`.

    Raises:
        InputError: that is every row.
    """
    texts = texts_of(rows, row_format)
    with progress.task("Comparing with the target", len(texts), "rows") as advance:
        pairs = rows_in_both(target.texts, texts, advance)
    best: dict[int, tuple[float, int]] = {}
    for theirs, own, similarity in pairs:
        best[own] = max(best.get(own, (0.0, 0)), (similarity, -theirs))
    if best and len(best) == len(texts):
        raise InputError(
            "--target: every row of the corpus stands in the target too, so none is left to choose. Give rows of what "
            "matters that are not in the corpus, or take the target's rows out of it."
        )
    return [
        Drop(number, IN_TARGET, f"{_likeness(similarity)} {target.rows[-negative].where} of the target")
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
    encoded: Encoded[Example]
    notes: Sequence[str]

    @classmethod
    def read(
        cls, name: str, task: str, first: int, settings: SelectSettings, encoder: Encoder, *, alone: bool
    ) -> "_File":
        """Rows that name no task are of `task`; of none, where no row does and the file is `alone`."""
        try:
            corpus = read_corpus(name, DataSettings(), allow_network=settings.proxy.allow_network)
            rows = [
                Row(first + row.number, {key: value for key, value in row.raw.items() if key != TASK}, row.where)
                for row in corpus.rows
            ]
            _refuse_pairs(rows)
            row_format = detect_format(rows)
            encoded = encode_rows(rows, row_format, encoder)
        except InputError as error:
            raise InputError(_told_of_a_target(f"--target {name}: {error}")) from error
        given = {first + row.number: row.raw.get(TASK) for row in corpus.rows}
        named = {number: group_name(value) or str(value) for number, value in given.items() if not says_nothing(value)}
        rest = task if named or not alone else ""
        tasks = {row.number: named.get(row.number, rest) for row in rows}
        _refuse_emptied(name, tasks, encoded)
        return cls(
            rows=rows,
            tasks=tasks,
            format=row_format,
            encoded=encoded,
            notes=[
                _told_of_a_target(f"Target {name}: {note}")
                for note in [*corpus.notes, *encoded.notes, *_left_out(rows, encoded)]
            ],
        )


def _told_of_a_target(sentence: str) -> str:
    """A sentence about rows, where its remedy is one of the corpus: --split does not reach a target."""
    return (
        f"{sentence} A target has no --split: name the file of the one that is meant."
        if "--split" in sentence
        else sentence
    )


def _refuse_pairs(rows: Sequence[Row]) -> None:
    """Two answers to one question are no row of what matters; the remedy for a corpus would not reach a target."""
    for row in rows:
        if FORMATS["chosen"].matches(row.raw):
            raise InputError(
                f"{row.where}: a preference pair (chosen/rejected). A target's rows have one answer each: give prompt "
                "and chosen answer as `prompt` and `completion`."
            )


def _refuse_twice(names: Sequence[str]) -> None:
    """A file given twice would count twice."""
    places = [Path(name).resolve() for name in names]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"--target {names[number]}: the file is named twice. Name each once.")


def _task_names(names: Sequence[str]) -> list[str]:
    """What the files' tasks are called: as the files are, without folder and ending where that tells them apart."""
    stems = [Path(name).name.split(".")[0] for name in names]
    return stems if len(set(stems)) == len(stems) else list(names)


def _left_out(rows: Sequence[Row], encoded: Encoded[Example]) -> list[str]:
    told = list[str]()
    if encoded.drops:
        counts = ", ".join(f"{reason} {count}" for reason, count in encoded.reasons.items())
        drop, where = encoded.drops[0], {row.number: row.where for row in rows}
        told.append(
            f"{counted(len(encoded.drops), 'row')} cannot be used ({counts}); first {where[drop.row]}: {drop.detail}."
        )
    if encoded.truncated:
        cut = counted(encoded.truncated, "row was", "rows were")
        told.append(f"{cut} cut at the maximum length; --max-length may be raised.")
    return told


def _refuse_emptied(name: str, tasks: Mapping[int, str], encoded: Encoded[Example]) -> None:
    left = {tasks[example.row] for example in encoded.examples}
    for drop in encoded.drops:
        if tasks[drop.row] not in left:
            raise InputError(
                f"--target {name}: no row of the task {tasks[drop.row]!r} can be used; the first: {drop.reason} "
                f"({drop.detail}). Mend its rows, or take the task out."
            )


def _held_out(examples: Sequence[Example], tasks: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Half of each task's rows, drawn by the seed; copies of a row stay together, or it would judge what it chose.

    Copies are the same tokens, whatever number or name the rows have, and in whichever task they stand.

    Raises:
        InputError: a task of one row, or whose rows other tasks have all drawn to one side.
    """
    said, draw, drawn = [_said(example) for example in examples], np.random.default_rng([seed, 5]), dict[bytes, bool]()
    for task in dict.fromkeys(tasks):
        contents = list(dict.fromkeys(own for own, one in zip(said, tasks, strict=True) if one == task))
        if len(contents) < 2:
            raise InputError(
                f"--target: the target{_of_task(task)} has one row that can be used, and half of it would have to "
                "choose while the other half judges. Give two rows or more, or select without --hold-out-target."
            )
        free = [own for place in draw.permutation(len(contents)) if (own := contents[place]) not in drawn]
        due = len(contents) // 2 - sum(drawn.get(own, False) for own in contents)
        drawn |= {own: number < due for number, own in enumerate(free)}
        if len({drawn[own] for own in contents}) < 2:
            raise InputError(
                f"--target: the rows of the target{_of_task(task)} stand in other tasks too, which have drawn all of "
                "them to choose, or all to judge. Give rows of its own, or select without --hold-out-target."
            )
    return np.array([drawn[own] for own in said], bool)


def _said(example: Example) -> bytes:
    """What the model sees of a row: equal of its copies, whatever else their records have."""
    return example.input_ids.tobytes()


def _of_task(task: str) -> str:
    return f"'s task {task!r}" if task else ""


def _told(examples: Sequence[Example], tasks: Sequence[str], held: NDArray[np.bool_]) -> list[str]:
    """Too few rows in a task, and rows that stand in the target twice."""
    counts = Counter(task for task, out in zip(tasks, held, strict=True) if not out)
    few = [
        f"{counted(count, 'row')}{f' of task {task!r}' if task else ''}"
        for task, count in counts.items()
        if count < FEW
    ]
    told = list[str]()
    if few:
        more = f" and {len(few) - _NAMED} more tasks" if len(few) > _NAMED else ""
        aside = ", where its other rows are held out to judge" if held.any() else ""
        told.append(
            f"The target has {', '.join(few[:_NAMED])}{more} to choose by{aside}: below {FEW} the choice hangs on "
            f"single rows, unless they are much alike; {ENOUGH} to 64 of a task are enough."
        )
    twice = len(examples) - len({_said(example) for example in examples})
    if twice:
        repeat = counted(twice, "row of the target repeats another", "rows of the target repeat others")
        told.append(f"{repeat}: counted as often as they stand there.")
    return told
