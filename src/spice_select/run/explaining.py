"""Why rows of a finished run were chosen, rejected or dropped, read from its folder."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_select.data.formats import PREFERENCE
from spice_select.data.formats.base import source_of
from spice_select.data.records import Pair, Row
from spice_select.data.texts import first_words
from spice_select.errors import InputError
from spice_select.features.base import PAIR_COLUMNS
from spice_select.methods import METHODS, Budget, Candidates
from spice_select.methods.quotas import quotas_of
from spice_select.methods.spice import Spice
from spice_select.methods.target import TargetSet
from spice_select.run import files as outputs
from spice_select.run.corpus import reread_corpus
from spice_select.run.explanation import (
    ChosenRow,
    Circumstances,
    Company,
    DroppedRow,
    Explanation,
    Other,
    RejectedRow,
    share_new,
)
from spice_select.run.finished import Run
from spice_select.run.folder import RunFolder
from spice_select.run.lookup import row_called
from spice_select.run.meetings import Meeting, Passed, meetings_of
from spice_select.run.origin import feature_store
from spice_select.run.reasons import REASONS
from spice_select.run.settings import SelectSettings
from spice_select.run.summary import Summary
from spice_select.run.weighing import Weighing
from spice_select.selection import LogDet, Quota

_NAMED = 3
"""Picks that are named for what they explain of a rejected row."""
_OF_ANY_PICK = frozenset(
    {
        *("rank", "row", "sha256", "source", "gain", "base", "epsilon", "conflict", "penalty", "score", "pool"),
        *("loss", "gradient_norm", "tokens", "supervised_tokens", *PAIR_COLUMNS),
    }
)
"""Columns of the ordered selection that say nothing of the method's own."""


class Explainer:
    """Says of every row of a finished run why it was chosen, rejected or dropped.

    What the run recorded is taken from its files; what the picks explain of a row, and what it would have gained next,
    are computed from the gradients it kept, for all rows of a pool at once, when first asked for. Gradients of a moving
    proxy are those of the state in which the row was seen, and so are all that it is compared with.

    Args:
        run: a finished run.
        rows: its corpus where that is known already; else it is read again, and done without where it is gone.

    Raises:
        InputError: a file of the run, or a part of its gradients, is missing or was altered.

    Cost: of a first rejected row `next_gains` over the rows it met; of another one O(kd).
    """

    def __init__(self, run: Run, *, rows: Sequence[Row] | None = None) -> None:
        self.run, self._rows = run, rows
        self._picks = outputs.read_pick_columns(RunFolder(run.path))
        self._ranks = {int(row): place for place, row in enumerate(self._picks["row"])}
        self._written = outputs.read_selected(RunFolder(run.path))
        RunFolder(run.path).output(outputs.DROPPED)
        self._dropped = {int(line["row"]): line for line in outputs.iterate_dropped(run.path)}
        self._weighed = dict[int, Weighing]()

    def of(self, row: int | str) -> Explanation:
        """A row by its number, its place (``train.jsonl:17``) or the beginning of its SHA-256.

        Raises:
            InputError: there is no such row, or more than one.
        """
        number = row_called(row, self.corpus, self._summary.rows)
        if number in self._dropped:
            return self._of_dropped(number)
        return self._of_chosen(number) if number in self._ranks else self._of_rejected(number)

    def chosen(self) -> list[ChosenRow]:
        """All picks in the order picked. Cost with a target's gradients: see `taken_in_order`."""
        return [self._of_chosen(row) for row in self._ranks]

    def best_rejected(self, count: int) -> list[RejectedRow]:
        """The rejected rows of the highest gain less penalty as the next pick, the best first.

        Pools apart: where there are several, the first of each come before the second of any. None where the method
        picks by no objective, or the gradients are gone: then nothing says which came next.
        """
        if self._missing:
            return []
        orders = [weighing.order[:count] for weighing in map(self._weighing, self._meetings) if weighing is not None]
        places = [order[place] for place in range(count) for order in orders if place < len(order)]
        return [self._of_rejected(int(self._candidates.rows[place])) for place in places[:count]]

    @cached_property
    def corpus(self) -> Sequence[Row] | str:
        """Every row that the run was given, or why they cannot be had."""
        if self._rows is not None:
            return self._rows
        try:
            return reread_corpus(self.run)
        except InputError as error:
            return str(error)

    @cached_property
    def about(self) -> Circumstances:
        """What is the same for all rows."""
        chosen, stop = self._settings.selection, self.run.manifest["stop"]
        method = METHODS[chosen.method]
        objective = self._objective
        return Circumstances(
            method=chosen.method,
            draws=method.draws,
            worth=objective.worth if objective else "",
            measure=LogDet.worth if "gain" in self._picks else "",
            picks=len(self._ranks),
            agreeing=self._settings.spice.agreeing,
            without_gradients=self._missing,
            stopped=stop["sentence"],
            early=stop["reason"] not in ("budget", "cost", "exhausted"),
        )

    @cached_property
    def _settings(self) -> SelectSettings:
        return self.run.settings

    @cached_property
    def _summary(self) -> Summary:
        return self.run.summary

    @cached_property
    def _spice(self) -> Spice | None:
        """The method where it picks by the gain of an objective, its state carried or not."""
        method = METHODS[self._settings.selection.method]
        if not issubclass(method, Spice):
            return None
        flat = {**self._settings.flat(), "carry_state": False}
        made = method.of(flat)
        assert isinstance(made, Spice), "nothing is carried"
        return made

    @property
    def _objective(self) -> type[Any] | None:
        return None if self._spice is None else self._spice.objective

    def _told(self, row: int, record: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What any explanation says of a row: from the corpus or, where it is gone, from a record of the run."""
        if not isinstance(self.corpus, str):
            one = self.corpus[row]
            where, digest, record = one.where, one.content_hash, one.raw
        else:
            where, digest = "", ""
        record = record or {}
        text = first_words(record) if record else ""
        source = source_of(record)
        return {"row": row, "where": where, "sha256": digest, "source": source, "text": text, "about": self.about}

    # -- what became of it --------------------------------------------------------------------------------------------

    def _of_dropped(self, row: int) -> DroppedRow:
        line = self._dropped[row]
        told = self._told(row, line["record"]) | {"where": line["where"], "sha256": line["sha256"]}
        known = REASONS.get(line["reason"])
        return DroppedRow(
            **told,
            reason=line["reason"],
            detail=line["detail"],
            meaning=known.meaning if known else "",
            remedy=known.remedy if known else "",
        )

    def _of_chosen(self, row: int) -> ChosenRow:
        place = self._ranks[row]
        raw, note = self._written[place]
        gain, base, conflict = (self._number_of(name, place) for name in ("gain", "base", "conflict"))
        meeting = self._meeting(row) if self._settings.target.target or self._in_pools else None
        return ChosenRow(
            **(self._told(row, raw) | {"sha256": note["sha256"]}),
            rank=place + 1,
            gain=gain,
            base=base,
            conflict=conflict,
            new=share_new(gain, base),
            columns={
                name: float(values[place])
                for name, values in self._picks.items()
                if name not in _OF_ANY_PICK and values.dtype.kind in "iuf"
            },
            closest=self._aim(note["target"]["row"], note["target"]["cosine"]) if "target" in note else None,
            taken={} if meeting is None else self._taken(row, meeting),
            company=None if meeting is None else self._company(meeting),
        )

    def _of_rejected(self, row: int) -> RejectedRow:
        told, meeting = self._told(row), self._meeting(row)
        weighing = None if meeting is None else self._weighing(meeting)
        closed = self._closed(row, meeting)
        if meeting is None or weighing is None:
            return RejectedRow(**told, closed=closed, company=None if meeting is None else self._company(meeting))
        position = self._position(row)
        parts, cosines, counted = weighing.parts(position), weighing.cosines(position), weighing.counted
        share, most = weighing.share(position), np.argsort(-parts, kind="stable")[:_NAMED]
        named = [self._pick(counted[one], parts[one], cosines[one]) for one in most.tolist() if parts[one] >= 0.005]
        near, agreed, closest = int(cosines.argmax()), weighing.agreement(position), weighing.closest(position)
        return RejectedRow(
            **told,
            share=share,
            explained_by=named,
            nearest=self._pick(counted[near], None, cosines[near]),
            gain=weighing.gain(position),
            base=weighing.base(position),
            penalty=weighing.penalty(position),
            place=weighing.place(position),
            rivals=len(weighing.order),
            last=self._last(meeting),
            task=agreed[0] if agreed else "",
            agreement=agreed[1] if agreed else None,
            closest=self._aim(*closest) if closest else None,
            outside=weighing.outside(position),
            closed=closed,
            company=self._company(meeting),
        )

    def _taken(self, row: int, meeting: Meeting) -> dict[str, float]:
        """What a pick explains of each task of the target."""
        weighing, own = self._weighing(meeting), int(np.flatnonzero(meeting.picks == self._position(row))[0])
        return {} if weighing is None else {task: float(shares[own]) for task, shares in weighing.taken.items()}

    def _number_of(self, name: str, place: int) -> float | None:
        return float(self._picks[name][place]) if name in self._picks else None

    def _last(self, meeting: Meeting) -> tuple[int, float] | None:
        """The last pick of a meeting with its gain less penalty, where the method went by that."""
        if self._objective is None or not len(meeting.picks):
            return None
        row = int(self._candidates.rows[meeting.picks[-1]])
        return row, float(self._picks["score"][self._ranks[row]])

    def _pick(self, position: int, share: float | None, cosine: float) -> Other:
        row = int(self._candidates.rows[position])
        told, rank = self._told(row, self._written[self._ranks[row]][0]), self._ranks[row] + 1
        part = None if share is None else float(share)
        return Other(row=row, where=told["where"], text=told["text"], rank=rank, share=part, cosine=float(cosine))

    def _aim(self, row: int, cosine: float) -> Other:
        line = self._target_lines[row]
        text = first_words(line["record"])
        return Other(row=row, where=line["where"], text=text, rank=None, share=None, cosine=float(cosine))

    @cached_property
    def _target_lines(self) -> dict[int, dict[str, Any]]:
        return {int(line["row"]): line for line in outputs.read_target_rows(RunFolder(self.run.path))}

    # -- what it was compared with ------------------------------------------------------------------------------------

    @cached_property
    def _missing(self) -> str:
        """Why there are no gradients, in a sentence; "" where they are there."""
        manifest = self.run.manifest
        if not manifest["parts"]:
            method = self._settings.selection.method
            return f"What its gradient holds is not known: --method {method} takes no gradients."
        if not feature_store(self.run.path, manifest["identity"]).count():
            return "What its gradient holds is no longer known: the run's gradients were deleted."
        return ""

    @property
    def _in_pools(self) -> bool:
        return self._settings.selection.schedule != "global"

    @cached_property
    def _candidates(self) -> Candidates:
        """The rows that could be chosen, with their gradients: asked for where none are missing."""
        found = self.run.candidates
        kept = np.flatnonzero(~np.isin(found.rows, list(self._dropped)))
        return found if len(kept) == len(found) else found.take(kept)

    @cached_property
    def _meetings(self) -> list[Meeting]:
        found, budget = self._candidates, Budget.parse(self._settings.selection.budget)
        passed = Passed(rows=found.rows, costs=budget.costs(found))
        if self._settings.selection.schedule == "interleaved":  # its pools were cut before gradients failed on any row
            block = feature_store(self.run.path, self.run.manifest["identity"]).read(self.run.manifest["parts"])
            passed = Passed(rows=block.rows, costs=block.supervised if budget.supervised else block.tokens)
        places = np.searchsorted(found.rows, self._picks["row"])
        return meetings_of(found, passed, places, self._picks["pool"], self._settings)

    @cached_property
    def _met(self) -> NDArray[np.int64]:
        """The number of each candidate's meeting; each took part in one."""
        numbers = np.empty(len(self._candidates), np.int64)
        for number, meeting in enumerate(self._meetings):
            numbers[meeting.members] = number
        return numbers

    def _position(self, row: int) -> int:
        return int(np.searchsorted(self._candidates.rows, row))

    def _meeting(self, row: int) -> Meeting | None:
        return None if self._missing else self._meetings[self._met[self._position(row)]]

    def _weighing(self, meeting: Meeting) -> Weighing | None:
        """Its rows weighed, once; None of a pool that nothing was picked in or before."""
        if not len(meeting.picks) + len(meeting.before):
            return None
        if meeting.pool not in self._weighed:
            target = self._target(meeting)
            made = Weighing(meeting, self._candidates, target, self._settings, self._spice)
            self._weighed[meeting.pool] = made
        return self._weighed[meeting.pool]

    def _target(self, meeting: Meeting) -> TargetSet | None:
        return self.run.target if meeting.updates is None else self.run.target_at(meeting.updates)

    def _company(self, meeting: Meeting) -> Company:
        return Company(
            pool=meeting.pool,
            pools=meeting.pools,
            rows=len(meeting.members),
            updates=meeting.updates,
            carried=bool(len(meeting.before)),
        )

    # -- what else kept it out ----------------------------------------------------------------------------------------

    def _closed(self, row: int, meeting: Meeting | None) -> list[str]:
        """Budget, shares of sources and early stops, where they can be told afterwards."""
        said = [*self._full_source(row), *self._full_prompt(row), *self._too_long(row)]
        if meeting is not None and not len(meeting.picks):
            said.append("no row of its pool was chosen.")
        if self.about.early:
            said.append(f"the selection had ended: {self.about.stopped}")
        return said

    @cached_property
    def _quotas(self) -> Mapping[str, Quota]:
        """What each source may give; empty without a most of it, or where it cannot be told."""
        chosen = self._settings.selection
        if chosen.per_source_max is None or isinstance(self.corpus, str) or self._missing:
            return {}
        sources = [source_of(self.corpus[int(number)].raw) for number in self._candidates.rows]
        whole = Budget.parse(chosen.budget).allowance(len(sources))
        costs = whole.costs(self._candidates).tolist()
        return quotas_of(sources, costs, whole, chosen.per_source_min, chosen.per_source_max)

    def _full_source(self, row: int) -> list[str]:
        if not self._quotas or isinstance(self.corpus, str):
            return []
        own = source_of(self.corpus[row].raw)
        most, picked = self._quotas[own].maximum, self._picks["source"] == own
        unit, taken, room = "rows", int(picked.sum()), 1
        budget = Budget.parse(self._settings.selection.budget)
        if budget.tokens is not None:
            unit, taken, room = budget.unit, self._spent(picked, budget), self._cost(row, budget)
        if most is None or taken + room <= most:
            return []
        return [f"its source {own!r} was full: {taken:,} of at most {most:,} {unit} (--per-source-max)."]

    def _full_prompt(self, row: int) -> list[str]:
        most = self._settings.selection.max_per_prompt
        if most is None or isinstance(self.corpus, str):
            return []
        read = [PREFERENCE.read(self.corpus[number]) for number in (row, *map(int, self._picks["row"]))]
        own, *others = (pair.prompt_hash for pair in read if isinstance(pair, Pair))
        taken = others.count(own)
        return [] if taken < most else [f"Its prompt was full: {taken} of at most {most} pairs (--max-per-prompt)."]

    def _too_long(self, row: int) -> list[str]:
        whole = Budget.parse(self._settings.selection.budget)
        if whole.tokens is None or self._in_pools or self._missing:
            return []
        cost = self._cost(row, whole)
        left = whole.tokens - self._spent(np.ones(len(self._ranks), bool), whole)
        return [f"it has {cost:,} {whole.unit}, and {left:,} of the budget were left."] if cost > left else []

    def _cost(self, row: int, budget: Budget) -> int:
        return int(budget.costs(self._candidates)[self._position(row)])

    def _spent(self, picked: NDArray[np.bool_], budget: Budget) -> int:
        column = "supervised_tokens" if budget.supervised else "tokens"
        return int(self._picks[column][picked].sum())
