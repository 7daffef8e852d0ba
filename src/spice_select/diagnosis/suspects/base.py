"""The port of a kind of suspect: a reason to look at a row before a model is trained on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spice_select.data.records import Conversation, Drop, Pair, Sample
from spice_select.progress import Advance


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What is known of some rows, aligned by position and in ascending order of their numbers.

    Attributes:
        examples: the rows as the proxy sees them.
        conversations: the rows as they were read; of a pair the prompt and both answers, the chosen one last.
        pairs: the same rows where they are preference pairs; else none.
        losses: cross-entropy a supervised token (nats), float64 ``[n]``; None where no model was asked, and of pairs.
        unprompted: the same of the answer alone, without what precedes it; None where it was not taken.
        learnability: cold less warm loss a supervised token (nats), warm trained on other rows; None likewise.
    """

    examples: Sequence[Sample]
    conversations: Sequence[Conversation]
    pairs: Sequence[Pair] = ()
    losses: NDArray[np.float64] | None = None
    unprompted: NDArray[np.float64] | None = None
    learnability: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row numbers in the corpus, int64 ``[n]``."""
        return np.array([example.row for example in self.examples], np.int64)

    @property
    def supervised(self) -> NDArray[np.int64]:
        """Tokens trained on, int64 ``[n]``."""
        return np.array([example.num_supervised for example in self.examples], np.int64)

    @property
    def sources(self) -> list[str]:
        """The group of each row."""
        return [example.source for example in self.examples]


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspect:
    """A row to look at.

    Attributes:
        row: its number in the corpus.
        kind: why, by the name in `SUSPECTS`.
        score: how much so; what it means is the kind's, higher is more.
        reason: the same in words, about this row.
        partners: numbers of the rows that it repeats or contradicts.
    """

    row: int
    kind: str
    score: float
    reason: str
    partners: tuple[int, ...] = ()

    @property
    def drop(self) -> Drop:
        """As a row that is left out for it."""
        return Drop(row=self.row, reason=f"suspect-{self.kind}", detail=self.reason)


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What one kind found.

    Attributes:
        suspects: in ascending order of their rows.
        scores: float64 ``[n]``, of every row, listed or not; None where the kind knows no score but yes.
        note: what its reader should know; "" if nothing.
    """

    suspects: Sequence[Suspect]
    scores: NDArray[np.float64] | None = None
    note: str = ""


class Suspicion(Protocol):
    """A kind of suspect.

    A new one is a file with a class, a line in `spice_select.diagnosis.suspects.SUSPECTS` and a row in
    ``tests/diagnosis/suspects/cases.py``.
    """

    @property
    def name(self) -> str:
        """What it is called in files and on the command line."""
        ...

    @property
    def summary(self) -> str:
        """What it lists, in one line for people."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields of `Evidence` that it cannot do without, beside the rows themselves."""
        ...

    def find(self, evidence: Evidence, advance: Advance) -> Found:
        """The suspects among some rows. A function of the evidence alone: no draws, no order but that of the rows.

        Args:
            evidence: of one row or more; with every field that it needs.
            advance: told of each row once.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Suspects:
    """What all kinds found, by the kind's name.

    Attributes:
        rows: int64 ``[n]``, numbers of the rows that were looked at.
        found: of each kind that could look.
        unavailable: of each that could not: why, and what would help.
    """

    rows: NDArray[np.int64]
    found: Mapping[str, Found]
    unavailable: Mapping[str, str] = field(default_factory=dict)

    @property
    def listed(self) -> list[Suspect]:
        """Every suspect, by row, then by kind in the order of the table: a row may be there for several reasons."""
        everyone = (suspect for kind in self.found.values() for suspect in kind.suspects)
        return sorted(everyone, key=lambda suspect: suspect.row)

    def of(self, kind: str) -> Sequence[Suspect]:
        """The suspects of one kind; none where it could not look."""
        return self.found[kind].suspects if kind in self.found else ()

    def scores(self, kind: str) -> NDArray[np.float64] | None:
        """A kind's score of every row, float64 ``[n]`` as `rows`; None where it has none."""
        return self.found[kind].scores if kind in self.found else None

    def drops(self) -> list[Drop]:
        """Each suspected row once, for the first of its reasons."""
        first: dict[int, Suspect] = {}
        for suspect in self.listed:
            first.setdefault(suspect.row, suspect)
        return [suspect.drop for suspect in first.values()]

    def to_json(self) -> dict[str, Any]:
        """Counts by kind, and what could not look, JSON-ready."""
        return {
            "rows": len(self.rows),
            "suspects": {name: len(kind.suspects) for name, kind in self.found.items()},
            "unavailable": dict(self.unavailable),
        }
