"""What all arms share: the pool they choose from, the rows they choose for, and those they are judged by.

They are files of the comparison's folder, so that every arm is an ordinary run on an ordinary corpus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.comparison.arms import contenders_of, refuse_kind
from spice_select.comparison.pair_judging import JUDGED_BY
from spice_select.comparison.settings import CompareSettings, seeds_of
from spice_select.data.formats import Format, PreferencePairs, described, detect_format
from spice_select.data.opened import OpenedCorpus
from spice_select.data.plain import plain
from spice_select.data.records import Conversation, PairExample, Row, Sample
from spice_select.data.settings import DataSettings
from spice_select.errors import InputError
from spice_select.evaluation.heldout import read_held_out
from spice_select.export.records import messages_of
from spice_select.features.proxy import Proxy, find_proxy
from spice_select.methods.budget import Budget
from spice_select.methods.stratified import drawn_in_proportion
from spice_select.progress import Progress
from spice_select.run.alike import rows_in_both, texts_of
from spice_select.run.folder import RunFolder
from spice_select.run.identity import rows_hash
from spice_select.run.settings import SelectSettings
from spice_select.run.target import TASK, TargetRows, read_target
from spice_select.settings.counted import counted

POOL, AIM = "pool.jsonl", "target.jsonl"
ALIKE_SET, TARGET_SET, OUTSIDE_SET = "pool", "target", "outside"
"""What the sets of rows that judge are called; of several from outside the pool each is called as its file."""
_SHARE, _MOST = 10, 500


@dataclass(frozen=True, kw_only=True, eq=False)
class RowSet:
    """Rows as they came, and how they are read; `gold` where they are a benchmark's items with their gold answers."""

    rows: Sequence[Row]
    format: Format | PreferencePairs
    gold: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Grounds:
    """What is alike for all arms.

    Attributes:
        name: the pool's, as given.
        pool: the rows that may be chosen; all can be used, and a row's number is its line in the file of them.
        sources, tokens, supervised: of each of these rows, as the proxy sees it.
        aim: rows that are chosen for, with their task in a column; None without a target.
        judges: name → rows that judge.
        proxy: who sees them.
        notes: what a person should know of them.
    """

    name: str
    pool: RowSet
    sources: Sequence[str]
    tokens: NDArray[np.int64]
    supervised: NDArray[np.int64]
    aim: RowSet | None
    judges: Mapping[str, RowSet]
    proxy: Proxy
    notes: Sequence[str]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the arms' results, for the comparison's identity."""
        return {
            "pool_sha256": rows_hash(self.pool.rows),
            "pool_rows": len(self),
            "format": self.pool.format.name,
            "target_sha256": None if self.aim is None else rows_hash(self.aim.rows),
            "judges": {name: rows_hash(rows.rows) for name, rows in self.judges.items()},
            "gold": sorted(name for name, rows in self.judges.items() if rows.gold),
            **self.proxy.identity.sums,
            "device": self.proxy.device,
            "dtype": self.proxy.dtype,
        }

    def write(self, folder: RunFolder) -> None:
        """Write what is not there yet."""
        sets = {POOL: self.pool, **({AIM: self.aim} if self.aim else {})}
        for name, rows in {**sets, **{judge_file(name): rows for name, rows in self.judges.items()}}.items():
            if not (folder.path / name).is_file():
                folder.write_lines(name, (plain(row.raw)[0] for row in rows.rows))


def judge_file(name: str) -> str:
    """Where the rows of a set that judges lie."""
    return f"judges/{name}.jsonl"


def read_grounds(pool: str, settings: CompareSettings, progress: Progress) -> Grounds:
    """Read and encode everything; rows that judge, or are chosen for, leave the pool.

    Raises:
        InputError: as `spice_select.select` of what it is given; or nothing is left to choose from.
    """
    asked = _as_selected(settings)
    opened = OpenedCorpus.of(pool, settings.data, progress, allow_network=settings.proxy.allow_network)
    row_format = opened.row_format
    refuse_kind(contenders_of(settings), settings, row_format)
    proxy = find_proxy(asked.request, progress)
    read = opened.encoded(proxy.tokenizer, settings.data, progress)
    encoded, notes = read.encoded, [*read.notes]
    if encoded.drops:
        reasons = ", ".join(f"{count} {reason}" for reason, count in encoded.reasons.items())
        notes.append(f"{counted(len(encoded.drops), 'row')} cannot be used, by any arm: {reasons}.")
    target = read_target(asked, read.encoder, progress)
    aim, judges = _aim(target, settings, notes)
    judges |= _given(settings, row_format, notes, progress)
    if settings.tuning.train and isinstance(row_format, PreferencePairs):
        notes.append(JUDGED_BY)
    examples = {example.row: example for example in encoded.examples}
    gone = _standing_in(judges | ({"the rows chosen for": aim} if aim else {}), read.rows, row_format, examples, notes)
    left = [example for row, example in examples.items() if row not in gone]
    if settings.tuning.train and settings.sets.held_out is None:
        drawn, left = _drawn(left, read.rows, row_format, settings, notes)
        judges = {ALIKE_SET: drawn, **judges}
    if len(left) < 2:
        why = f": {len(gone):,} stand in what is chosen for or judges too. Give other rows there" if gone else ""
        raise InputError(
            f"{pool}: {counted(len(left), 'row is', 'rows are')} left to choose from, two are the "
            f"least{why or '. Give a larger pool'}."
        )
    return Grounds(
        name=pool,
        pool=RowSet(rows=[read.rows[example.row] for example in left], format=row_format),
        sources=[example.source for example in left],
        tokens=np.array([example.num_tokens for example in left], np.int64),
        supervised=np.array([example.num_supervised for example in left], np.int64),
        aim=aim,
        judges=judges,
        proxy=proxy,
        notes=notes,
    )


def _as_selected(settings: CompareSettings) -> SelectSettings:
    """What reading a target and finding a proxy look at."""
    seed = seeds_of(settings.arms.seeds)[0]
    flat = {**settings.proxy.changed(), **settings.gradients.changed(), "max_length": settings.data.max_length}
    aim = {"target": settings.sets.target, "hold_out_target": settings.sets.hold_out_target}
    return SelectSettings.from_flat({**flat, **aim, "seed": seed})


def _aim(
    target: TargetRows | None, settings: CompareSettings, notes: list[str]
) -> tuple[RowSet | None, dict[str, RowSet]]:
    """The target's rows that choose, and those that judge: others where half is held out, else the same."""
    if target is None:
        return None, {}
    notes += target.notes
    tasks = {example.row: task for example, task in zip(target.examples, target.tasks, strict=True)}
    held = {example.row for example, out in zip(target.examples, target.held_out, strict=True) if out}
    given = [row for row in target.rows if row.number in tasks]
    usable = [_with_task(row, tasks[row.number]) for row in _in_one_layout(given, target.formats, notes)]
    choosing = [row for row in usable if row.number not in held]
    judging = [row for row in usable if row.number in held] or usable
    if settings.tuning.train and not held:
        notes.append(
            "The target's rows judge and were chosen for: none of them is trained on, but --hold-out-target would "
            "judge by others."
        )
    aim = RowSet(rows=choosing, format=detect_format(choosing))
    return aim, {TARGET_SET: RowSet(rows=judging, format=aim.format)} if settings.tuning.train else {}


def _in_one_layout(rows: Sequence[Row], formats: Mapping[int, Format], notes: list[str]) -> Sequence[Row]:
    """The rows of a target as one file can hold them: as messages, where its files are laid out in several ways."""
    layouts = sorted({formats[row.number].name for row in rows})
    if len(layouts) == 1:
        return rows
    notes.append(f"The target's files are laid out as {' and as '.join(layouts)}: its rows are written as messages.")
    return [_as_messages(row, formats[row.number]) for row in rows]


def _as_messages(row: Row, row_format: Format) -> Row:
    """A row that can be used, with what its format reads of it."""
    read = row_format.read(row)
    assert isinstance(read, Conversation), f"{row.where}: can be used, and is no conversation"
    messages = messages_of(read)
    for place in read.untrained:
        messages[place]["weight"] = 0
    beside = {"tools": list(read.tools), "source": read.source}
    return Row(row.number, {"messages": messages, **{key: held for key, held in beside.items() if held}}, row.where)


def _with_task(row: Row, task: str) -> Row:
    return Row(row.number, {**row.raw, TASK: task} if task else row.raw, row.where)


def _given(
    settings: CompareSettings, row_format: Format | PreferencePairs, notes: list[str], progress: Progress
) -> dict[str, RowSet]:
    """The files that were given to judge by, each under its name: pairs where the pool is of pairs."""
    found, sets = dict[str, RowSet](), settings.sets
    files = [(ALIKE_SET, sets.held_out)] if sets.held_out else []
    files += [(OUTSIDE_SET, sets.outside[0])] if len(sets.outside) == 1 else [(_stem(f), f) for f in sets.outside]
    files += [(_stem(file), file) for file in sets.gold]
    for name, file in files:
        if name in found or (name in (ALIKE_SET, TARGET_SET) and file != sets.held_out):
            raise InputError(f"{file}: another set of rows that judge is called {name!r}. Give the file another name.")
        read = read_held_out(file, DataSettings(), allow_network=settings.proxy.allow_network)
        if isinstance(read.format, PreferencePairs) != isinstance(row_format, PreferencePairs):
            ours, theirs = (
                "preference pairs" if isinstance(one, PreferencePairs) else f"{one.name} rows"
                for one in (row_format, read.format)
            )
            raise InputError(
                f"{file}: {theirs}, and the pool has {ours}: what is tuned on the one is judged by the like. Give a "
                f"file of {ours}."
            )
        notes += read.notes
        progress.note(f"{file}: {counted(len(read.rows), 'row')} to judge by, {described(read.format)}")
        found[name] = RowSet(rows=read.rows, format=read.format, gold=file in sets.gold)
    return found


def _stem(file: str) -> str:
    return Path(file).name.split(".")[0]


def _standing_in(
    sets: Mapping[str, RowSet],
    rows: Sequence[Row],
    row_format: Format | PreferencePairs,
    usable: Mapping[int, Sample],
    notes: list[str],
) -> set[int]:
    """Numbers of the pool's rows that stand in one of the sets too, exactly or nearly: nobody trains on what judges.

    Of pairs the prompts alone are compared. Cost: as `rows_in_both`, for each set.
    """
    gone, texts = set[int](), texts_of([row for row in rows if row.number in usable], row_format)
    for name, other in sets.items():
        own = {row for _, row, _ in rows_in_both(texts_of(other.rows, other.format), texts)} - gone
        if own:
            stand = counted(len(own), "row of the pool stands", "rows of the pool stand")
            notes.append(f"{stand} in {name} too, word for word or nearly: left out of the pool.")
        gone |= own
    return gone


def _drawn(
    examples: Sequence[Sample],
    rows: Sequence[Row],
    row_format: Format | PreferencePairs,
    settings: CompareSettings,
    notes: list[str],
) -> tuple[RowSet, list[Sample]]:
    """Rows of the pool that judge, drawn by source and length, and the others, less those that say nearly the same.

    Pairs are drawn by their prompts: all of one judge, or none.
    """
    wanted = settings.sets.held_out_rows or min(_MOST, max(2, len(examples) // _SHARE))
    if wanted > len(examples) - 2:
        raise InputError(
            f"--held-out-rows {wanted}: of {len(examples)} rows that would leave none to choose from. Give fewer."
        )
    first = list({as_one(example): example for example in reversed(examples)}.values())[::-1]
    count = max(2, round(wanted * len(first) / len(examples)))
    drawn = drawn_in_proportion(first, count, seed=(seeds_of(settings.arms.seeds)[0], 9))
    judging = {as_one(first[int(place)]) for place in drawn}
    out = {example.row for example in examples if as_one(example) in judging}
    held = RowSet(rows=[rows[number] for number in sorted(out)], format=row_format)
    notes.append(
        f"{counted(len(out), 'row')} of the pool, drawn by source and length, to judge by: taken out for every arm."
    )
    rest = {example.row: example for example in examples if example.row not in out}
    gone = _standing_in({"the rows that judge": held}, rows, row_format, rest, notes)
    return held, [example for row, example in rest.items() if row not in gone]


def as_one(example: Sample) -> str | int:
    """What is drawn, and judges, as one: pairs of one prompt."""
    return example.prompt if isinstance(example, PairExample) else example.row


def token_budget(budget: Budget, grounds: Grounds) -> int:
    """The supervised tokens of a budget: its share of the pool's, or those of so many rows of mean length."""
    whole, n = int(grounds.supervised.sum()), len(grounds)
    if budget.share is not None:
        return max(1, round(float(budget.share) * whole))
    budget.check(n, whole if budget.supervised else int(grounds.tokens.sum()))
    if budget.supervised and budget.tokens is not None:
        return budget.tokens
    if budget.tokens is not None:
        return max(1, round(budget.tokens * whole / int(grounds.tokens.sum())))
    return max(1, round(budget.rows(n) * whole / n))
