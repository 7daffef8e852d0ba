"""The suspects of a run as a person reads them: how many of each kind, and the first of each."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from spice_select.cli.tables.plain import plain_text
from spice_select.data.formats import detect_reader
from spice_select.data.plain import json_text
from spice_select.data.printable import printable
from spice_select.data.records import Drop, Row
from spice_select.data.texts import told_turns
from spice_select.diagnosis.suspects import PAIR_SUSPECTS, SUSPECTS, Suspect, Suspects
from spice_select.run.corpus import reread_corpus
from spice_select.run.finished import Run
from spice_select.run.pairs import is_of_pairs
from spice_select.run.suspects import SUSPECTS_FILE


def print_suspects(console: Console, run: Run, found: Suspects, *, rows: int) -> None:
    """Print the counts, then the highest scores of each kind with reason and words, then where all of them are."""
    console.print(_counts(run, found), highlight=False)
    texts = reread_corpus(run) if rows > 0 and found.listed else []
    for kind in found.found:
        first = sorted(found.of(kind), key=lambda suspect: (-suspect.score, suspect.row))[: max(0, rows)]
        for suspect in first:
            console.print(f"[bold]{kind}[/] row {suspect.row}: {plain_text(suspect.reason)}", highlight=False)
            for number in (suspect.row, *suspect.partners[:1]):
                words = f"{number}: {_said(run, texts[number])}"
                console.print(f"  {plain_text(' '.join(words.split())[:300])}", style="dim", highlight=False)
    console.print()
    place = f"{run.path / SUSPECTS_FILE}  every suspect with its reason and its record"
    console.print(printable(place), highlight=False, markup=False, soft_wrap=True)
    if found.listed:
        console.print("Look before you drop: spice select … --without-suspects KIND …", highlight=False)


def _said(run: Run, row: Row) -> str:
    """Who says what in a row; one that cannot be read as it came."""
    read = detect_reader([], run.manifest["identity"]["format"]).read(row)
    if isinstance(read, Drop):
        return json_text(row.raw)
    return " ".join(f"{role}: {words}" for role, words in told_turns(read) if role != "system")


def _counts(run: Run, found: Suspects) -> Table:
    chosen = set(run.row_numbers.tolist())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("kind", "rows", "share", "of them chosen", "what it lists"):
        table.add_column(name, justify="right" if name in ("rows", "share", "of them chosen") else "left")
    for kind in PAIR_SUSPECTS if is_of_pairs(run) else SUSPECTS:
        if kind.name in found.unavailable:
            table.add_row(kind.name, "–", "", "", f"not looked for: {plain_text(found.unavailable[kind.name])}")
        elif kind.name in found.found:
            note = found.found[kind.name].note
            table.add_row(*_count(found.of(kind.name), len(found.rows), chosen, kind.name), plain_text(kind.summary))
            if note:
                table.add_row("", "", "", "", f"[yellow]note[/] {plain_text(note)}")
    return table


def _count(suspects: Sequence[Suspect], rows: int, chosen: set[int], kind: str) -> tuple[str, ...]:
    picked = sum(suspect.row in chosen for suspect in suspects)
    return kind, f"{len(suspects):,}", f"{len(suspects) / rows:.1%}", f"{picked:,}"
