"""What the sections of a page are made from: a finished run, read once; what is gone is named, not missed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from spice_select.data.formats import detect_reader
from spice_select.data.plain import json_text
from spice_select.data.records import Drop, Row
from spice_select.data.texts import told_turns
from spice_select.diagnosis.warning_signs import Sign, signs
from spice_select.errors import InputError
from spice_select.methods.base import Candidates
from spice_select.numerics.features import Features
from spice_select.report.page import Cell, Section, Templates, cut
from spice_select.run import files as outputs
from spice_select.run.explaining import Explainer
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder
from spice_select.run.settings import SelectSettings, read_config
from spice_select.run.summary import Summary
from spice_select.selection import LogDet

POINTS = 1_500
"""Points of a figure: more would neither be told apart nor be drawn at once."""
LISTED = 1_000
"""Chosen rows of the page's table; the first half of it are the first picks."""
_LARGEST = 1 << 29  # numbers of the gradients that a page is made from: 2 GiB of float32
_TEMPLATES = Templates(Path(__file__).parent / "sections")


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What a row says.

    Attributes:
        source: its group; "" where it names none.
        first: the first words a person wrote.
        whole: all turns, the speaker before each.
    """

    source: str
    first: str
    whole: str

    @property
    def cell(self) -> Cell:
        """The first words, all it says behind a fold."""
        return Cell(self.first or "(no words)", None, cut(self.whole, _WHOLE))


class RunMaterial:
    """A finished run and what is known of it.

    Args:
        run: the run.
        rows: its corpus where that is known already; else it is read when first asked for.
    """

    def __init__(self, run: Run, rows: Sequence[Row] | None = None) -> None:
        self.run = run
        self._rows = rows

    @cached_property
    def summary(self) -> Summary:
        return self.run.summary

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return self.run.manifest

    @property
    def identity(self) -> dict[str, Any]:
        """The facts that decided the run's result."""
        identity: dict[str, Any] = self.manifest["identity"]
        return identity

    @cached_property
    def settings(self) -> SelectSettings:
        return self.run.settings

    @cached_property
    def corpus_name(self) -> str:
        """The corpus as a command can name it."""
        return read_config(self.run.path / outputs.CONFIG)[0] or "CORPUS"

    @cached_property
    def picks(self) -> dict[str, NDArray[Any]]:
        """The columns of ``selection.parquet``, each ``[k]`` in the order picked."""
        return outputs.read_pick_columns(RunFolder(self.run.path))

    @property
    def chosen(self) -> int:
        """How many rows were chosen."""
        return len(self.picks["row"])

    @cached_property
    def listed(self) -> NDArray[np.int64]:
        """Positions of the picks whose rows the page's table lists: all, or the first and some of the others."""
        if self.chosen <= LISTED:
            return np.arange(self.chosen)
        half = LISTED // 2
        return np.concatenate([np.arange(half), half + even_steps(self.chosen - half, LISTED - half)])

    @cached_property
    def drawn(self) -> NDArray[np.int64]:
        """Positions of the picks that figures show: all, or some in even steps."""
        return even_steps(self.chosen, POINTS)

    @cached_property
    def words(self) -> dict[int, Words]:
        """What the picks say that are listed or drawn, by position."""
        wanted = {*self.listed.tolist(), *self.drawn.tolist()}
        RunFolder(self.run.path).output(outputs.SELECTED)
        lines = enumerate(outputs.iterate_selected(self.run.path))
        return {place: self._told(outputs.as_it_came(line)[0]) for place, line in lines if place in wanted}

    def told(self, row: int) -> Words | None:
        """What a row of the corpus says; None where the corpus is gone."""
        return None if isinstance(self.corpus, str) else self._told(self.corpus[row].raw)

    def told_record(self, record: dict[str, Any]) -> Words:
        """What a record says that a file of the run holds."""
        return self._told(record)

    def _told(self, raw: dict[str, Any]) -> Words:
        read = detect_reader([], self.identity["format"]).read(Row(number=0, raw=raw, where=""))
        if isinstance(read, Drop):
            text = json_text(raw)
            return Words(source="", first=_first(text), whole=text)
        turns = told_turns(read)
        asked = next((text for role, text in turns if role != "system" and text.strip()), "")
        return Words(
            source=read.source,
            first=_first(asked),
            whole="\n\n".join(f"{role}: {text}" for role, text in turns),
        )

    @property
    def corpus(self) -> Sequence[Row] | str:
        """Every row that the run was given, or why they cannot be had."""
        return self.explainer.corpus

    @cached_property
    def candidates(self) -> Candidates | str:
        """The usable rows with their gradients as the method saw them, or why they cannot be had."""
        size = self.summary.usable * int(self.identity.get("sketch_dim") or 0)
        if size > _LARGEST:
            return f"The gradients of {self.summary.usable:,} rows are more than a page is made from."
        try:
            candidates = self.run.candidates
            candidates.matrix  # noqa: B018 - made here, where a refusal is caught
        except InputError as error:
            return str(error)
        return candidates

    @cached_property
    def signs(self) -> list[Sign] | str:
        """What would explain poor tuning despite high information, beside random draws; or why it is not known."""
        if isinstance(self.candidates, str):
            return self.candidates
        rows = self.candidates.matrix
        if _work(rows, self.chosen) > _AFFORDED:
            return "The signs of so many gradients take more than the seconds that a page may cost."
        objective, counts = LogDet(alpha=self.settings.spice.scale), self.candidates.repeated
        return signs(rows, _Picked(self.places), objective, counts=counts, draws=_DRAWS)

    @cached_property
    def explainer(self) -> Explainer:
        """What says why a row was chosen or rejected."""
        return Explainer(self.run, rows=self._rows)

    @property
    def weighable(self) -> bool:
        """Whether all rows can be weighed against the picks within the seconds that a page may cost."""
        if isinstance(self.candidates, str):
            return False
        rows = self.candidates.matrix
        return 4.0 * rows.n * rows.d * min(self.chosen, rows.d) <= _AFFORDED

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Positions of the picks among the candidates ``[k]``; only where these are known."""
        assert not isinstance(self.candidates, str), "asked for where the gradients are known"
        return np.searchsorted(self.candidates.rows, self.picks["row"])


_FIRST, _WHOLE = 160, 900  # characters
_AFFORDED = 1e11  # operations that a page may take for its signs: seconds
_DRAWS = 20


@dataclass(frozen=True)
class _Picked:
    """The picks as the diagnosis asks for them."""

    indices: NDArray[np.int64]


def _work(rows: Features, picks: int) -> float:
    """Operations of `signs`; see there."""
    d = min(rows.n, rows.d)
    few = 2 * picks * d**2 + 6 * picks**2 * d + 20 * picks**3
    return rows.n * d**2 + (_DRAWS + 1) * (few if 3 * picks < d else picks * d**2 + 3 * d**3)


def _first(text: str) -> str:
    """The first words, on one line; `…` where there are more."""
    line = " ".join(text[: 4 * _FIRST].split())
    return line if len(line) <= _FIRST and len(text) <= 4 * _FIRST else f"{line[:_FIRST].rstrip()}…"


def even_steps(count: int, most: int) -> NDArray[np.int64]:
    """Positions 0 to count − 1: all, or `most` of them in even steps, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def filled(template: str, **values: Any) -> Markup:
    """A template of a section with its values."""
    return _TEMPLATES.fill(template, **values)


def untold_section(name: str, title: str, why: str) -> Section:
    """A section that cannot be had, and says why."""
    return Section(name=name, title=title, body=filled("without.html", why=why))
