"""The files a person takes away from a run: the chosen rows, the dropped rows, the ordered selection."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from spice_select.data.plain import columns_of, plain, restored
from spice_select.data.records import Drop, Row
from spice_select.methods.base import GRADIENTS, Candidates
from spice_select.run.folder import RunFolder
from spice_select.run.outcome import Outcome
from spice_select.run.target import TargetRows
from spice_select.selection import Selection, Stats, Stop
from spice_select.settings.counted import counted
from spice_select.store import FeatureBlock, Spool, atomic

SELECTED = "selected.jsonl"
DROPPED = "dropped.jsonl"
SELECTION = "selection.parquet"
SUMMARY = "summary.json"
CONFIG = "config.yaml"
FEATURES = "gradients"
FIDELITY = "gradients/fidelity.json"
TARGET_ROWS = "target/rows.jsonl"
COPIES = "copies.parquet"
REPORT = "report.html"
WRITTEN = (SELECTED, DROPPED, SELECTION, SUMMARY, CONFIG)


def write_selected(run: RunFolder, rows: Sequence[Row], outcome: Outcome) -> tuple[str, ...]:
    """Write the chosen rows in the order picked, exactly as they came, each with a `spice` object beside its fields.

    What JSON cannot say (bytes, times, NaN) is written as text or null, and `spice.encoded` names its place and kind.

    Returns:
        What a person should know of that, in sentences: none where JSON could say it all.
    """
    run.write_lines(SELECTED, _selected(rows, outcome))
    chosen = (rows[int(outcome.candidates.rows[index])] for index in outcome.choice.indices)
    return encoded_notes(plain(row.raw)[1] for row in chosen)


def encoded_notes(rows: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """One sentence that names the fields which JSON could not hold as they came, and in how many rows; or none."""
    counts = Counter(f"{name} ({kind}" for encoded in rows for name, kind in columns_of(encoded).items())
    if not counts:
        return ()
    named = ", ".join(f"{name}, {counted(count, 'row')})" for name, count in counts.most_common())
    return (f"JSON has no bytes, times, decimals or NaN; written as text or null: {named}.",)


_TOLD = ("gain", "epsilon", "conflict")
"""What a row's `spice` object says of its pick beside rank and row; the rest is in ``selection.parquet``."""


def _selected(rows: Sequence[Row], outcome: Outcome) -> Iterator[dict[str, Any]]:
    choice = outcome.choice
    for place, index in enumerate(choice.indices):
        row = rows[int(outcome.candidates.rows[index])]
        note: dict[str, Any] = {
            "rank": place + 1,
            **{name: float(choice.columns[name][place]) for name in _TOLD if name in choice.columns},
            "row": row.number,
            "sha256": row.content_hash,
            **_nearest(outcome, place),
        }
        yield selected_line(row.raw, note)


def _nearest(outcome: Outcome, place: int) -> dict[str, Any]:
    """The row of the target that a pick is nearest to, where there is a target."""
    near = outcome.nearest
    if near is None:
        return {}
    return {"target": {"row": int(near.rows[place]), "where": near.where[place], "cosine": float(near.cosines[place])}}


def selected_line(raw: Mapping[str, Any], note: Mapping[str, Any]) -> dict[str, Any]:
    """A chosen row as the file holds it, with what the selection wrote of it; see `as_it_came`."""
    written, encoded = plain(raw)
    noted = dict(note)
    if "spice" in written:  # chosen from an earlier choice: its record is kept
        noted["earlier"] = written["spice"]
    if encoded:
        noted["encoded"] = encoded
    return {**written, "spice": noted}


def iterate_selected(folder: Path) -> Iterator[dict[str, Any]]:
    """The chosen rows of a finished run, in the order picked."""
    return _lines(folder / SELECTED)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="surrogatepass") as lines:
        for line in lines:
            yield json.loads(line)


class ChosenLines(Sequence[tuple[dict[str, Any], dict[str, Any]]]):
    """The chosen rows as they came and what the selection wrote of each, in the order picked; read as asked for.

    Args:
        lines: of the file. They are copied, so that it may change or go meanwhile. Memory: 8 bytes each.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = Spool()
        for line in lines:
            self._lines.append(line)

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, rank: int) -> tuple[dict[str, Any], dict[str, Any]]: ...
    @overload
    def __getitem__(self, rank: slice) -> list[tuple[dict[str, Any], dict[str, Any]]]: ...
    def __getitem__(self, rank: int | slice) -> Any:
        if isinstance(rank, slice):
            return [self[one] for one in range(*rank.indices(len(self)))]
        line = self._lines[range(len(self))[rank]]
        return as_it_came(json.loads(line.decode("utf-8", "surrogatepass")))


def read_selected(run: RunFolder) -> ChosenLines:
    """The chosen rows and what was written of them. Raises InputError: the file is missing or was altered since."""
    with run.output(SELECTED).open("rb") as lines:
        return ChosenLines(lines)


def as_it_came(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A line of the chosen rows parted into the row as it came and what the selection wrote. Alters `record`."""
    note = record.pop("spice")
    if "earlier" in note:  # the corpus had a `spice` field of its own
        record["spice"] = note["earlier"]
    return restored(record, note.get("encoded", {})), note


def write_dropped(run: RunFolder, rows: Sequence[Row], drops: Sequence[Drop]) -> None:
    """Write every row that was left out before the selection, with its reason, in the order of the corpus."""
    run.write_lines(DROPPED, (_dropped(rows[drop.row], drop) for drop in sorted(drops, key=lambda drop: drop.row)))


def _dropped(row: Row, drop: Drop) -> dict[str, Any]:
    raw, encoded = plain(row.raw)
    line = {
        "row": row.number,
        "where": row.where,
        "reason": drop.reason,
        "detail": drop.detail,
        "sha256": row.content_hash,
        "record": raw,
    }
    return {**line, "encoded": encoded} if encoded else line


def read_dropped(run: RunFolder) -> set[int]:
    """Numbers of the rows left out before the selection. Raises InputError: the file is missing or was altered."""
    run.output(DROPPED)
    return {int(line["row"]) for line in iterate_dropped(run.path)}


def iterate_dropped(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows that were left out before the selection, as `write_dropped` wrote them."""
    return _lines(folder / DROPPED)


def write_target(run: RunFolder, target: TargetRows | None) -> tuple[str, ...]:
    """Write every row of the target, its task, what it was used for and the record itself; nothing without a target.

    Returns:
        The file, or none.
    """
    if target is None:
        return ()
    tasks, uses = {e.row: task for e, task in zip(target.examples, target.tasks, strict=True)}, target.uses
    run.write_lines(
        TARGET_ROWS, (_of_target(row, {"task": tasks.get(row.number), "use": uses[row.number]}) for row in target.rows)
    )
    return (TARGET_ROWS,)


def _of_target(row: Row, told: Mapping[str, Any]) -> dict[str, Any]:
    raw, encoded = plain(row.raw)
    line = {"row": row.number, "where": row.where, **told, "sha256": row.content_hash, "record": raw}
    return {**line, "encoded": encoded} if encoded else line


def read_target_rows(run: RunFolder) -> list[dict[str, Any]]:
    """Every row of a finished run's target, as `write_target` wrote it. Raises InputError: it is missing or altered."""
    run.output(TARGET_ROWS)
    return list(_lines(run.path / TARGET_ROWS))


def write_selection(run: RunFolder, rows: Sequence[Row], outcome: Outcome) -> None:
    """Write the ordered selection as Parquet: one line a pick, with what the method knows of it."""
    candidates, choice = outcome.candidates, outcome.choice
    picks, numbers = choice.indices, candidates.rows[choice.indices]
    block = candidates.features.get(GRADIENTS)
    measured = {} if block is None else _measured(block, picks)
    table = pa.table(
        {
            "rank": pa.array(range(1, len(numbers) + 1), pa.int64()),
            "row": numbers,
            "sha256": [rows[int(number)].content_hash for number in numbers],
            "source": [candidates.sources[int(pick)] for pick in picks],
            **choice.columns,
            "pool": choice.pools,
            **measured,
            "tokens": candidates.tokens[picks],
            "supervised_tokens": candidates.supervised[picks],
        }
    )
    with atomic(run.path / SELECTION) as aside:
        pq.write_table(table, aside)


_ASIDE = ("norm", "tokens", "supervised")
"""Columns of a block of gradients that the table has under other names."""


def _measured(block: FeatureBlock, picks: NDArray[np.int64]) -> dict[str, NDArray]:
    """What a forward and a backward pass said of each pick: its loss, or of a pair both answers' log-probabilities."""
    told = {name: values[picks] for name, values in block.columns.items() if name not in _ASIDE}
    return {**told, "gradient_norm": block.norms[picks]}


def write_copies(run: RunFolder, candidates: Candidates) -> tuple[str, ...]:
    """Write how many rows share each row's direction, where copies counted once; the file's name, or none."""
    (run.path / COPIES).unlink(missing_ok=True)
    if candidates.repeated is None:
        return ()
    with atomic(run.path / COPIES) as aside:
        pq.write_table(pa.table({"row": candidates.rows, "copies": candidates.repeated}), aside)
    return (COPIES,)


def read_copies(run: RunFolder, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows share the direction of each of these, ascending rows; 1 of those that nothing is known of.

    Raises InputError: the file was altered.
    """
    found = np.ones(len(rows), np.int64)
    if (run.path / COPIES).is_file():
        table = pq.read_table(run.output(COPIES))
        found[np.searchsorted(rows, table["row"].to_numpy())] = table["copies"].to_numpy()
    return found


def read_pick_columns(run: RunFolder) -> dict[str, NDArray[Any]]:
    """Every column of the ordered selection by its name. Raises InputError: the file is missing or was altered."""
    table = pq.read_table(run.output(SELECTION))
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def read_row_numbers(folder: Path) -> NDArray[np.int64]:
    """Numbers of the chosen rows in the order picked."""
    return pq.read_table(folder / SELECTION, columns=["row"])["row"].to_numpy()


def read_selection(
    folder: Path, features: FeatureBlock, stop: Mapping[str, Any], stats: Mapping[str, Any]
) -> Selection:
    """Read the ordered selection back; indices are positions in `features`, whose rows are in ascending order."""
    table = pq.read_table(folder / SELECTION)
    columns = {name: table[name].to_numpy() for name in ("gain", "base", "conflict", "penalty", "score", "pool", "row")}
    return Selection(
        indices=np.searchsorted(features.rows, columns["row"]),
        gains=columns["gain"],
        bases=columns["base"],
        conflicts=columns["conflict"],
        penalties=columns["penalty"],
        scores=columns["score"],
        pools=columns["pool"],
        stop=Stop(**stop),
        stats=Stats(**stats),
    )
