"""Why a row was chosen, rejected or dropped: numbers, and the same in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from spice_select.settings.names import in_words

_ROUNDING = 1e-9
"""Relative difference of a gain from the base that is rounding."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What is the same for all rows of a run.

    Attributes:
        method: who chose.
        draws: whether it draws by the seed.
        worth: what a gain is, in words; "" where the method picks by no objective.
        measure: what the recorded gains are, in words; "" where no gradients were taken.
        picks: how many rows were chosen.
        agreeing: the share of the pool that was chosen from, by its agreement with the target.
        without_gradients: why nothing is known by gradients, in a sentence; "" where they are there.
        stopped: why the selection ended.
        early: whether a rule ended it, not the budget.
    """

    method: str
    draws: bool
    worth: str
    measure: str
    picks: int
    agreeing: float
    without_gradients: str
    stopped: str
    early: bool


@dataclass(frozen=True, kw_only=True)
class Company:
    """The pool that a row met its rivals in.

    Attributes:
        pool: its number, from 0.
        pools: how many there are.
        rows: rows of it that could be chosen.
        updates: of the proxy before its gradients were taken; None where the proxy stands still.
        carried: whether the picks of earlier pools still counted.
    """

    pool: int
    pools: int
    rows: int
    updates: int | None
    carried: bool

    @property
    def sentence(self) -> str:
        """What its numbers hold for; "" where all rows met at once."""
        if self.pools == 1 and self.updates is None:
            return ""
        said = f"It met its rivals in pool {self.pool + 1} of {self.pools} ({self.rows} rows), and numbers are of that"
        if self.carried:
            said += " pool and the picks carried into it"
        if self.updates is None:
            return f"{said} alone."
        times = "once" if self.updates == 1 else f"{self.updates} times"
        state = f"after the proxy had been updated {times}" if self.updates else "before the proxy's first update"
        return f"{said}: gradients as they were {state}, when the row was seen."


@dataclass(frozen=True, kw_only=True)
class Other:
    """Another row, and what it has to do with this one.

    Attributes:
        row: its number, in the corpus or in the target.
        where: file and line; "" where that is not known.
        text: the first words of it.
        rank: of a pick, from 1; None of a row of the target.
        share: its part of what is explained; None where that is not asked.
        cosine: of its gradient with this row's.
    """

    row: int
    where: str
    text: str
    rank: int | None
    share: float | None
    cosine: float | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What became of a row.

    Attributes:
        row: its number.
        where: file and line; "" where the corpus is gone.
        sha256: of its content; "" likewise.
        source: its group; "" where it names none.
        text: the first words of it; "" likewise.
        about: the run.
    """

    verdict: ClassVar[str]
    row: int
    where: str
    sha256: str
    source: str
    text: str
    about: Circumstances = field(repr=False)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Why, one thing a sentence, the most important first. Texts of rows stand in them as they came."""
        raise NotImplementedError

    @property
    def others(self) -> Sequence[Other]:
        """The rows that the sentences name."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        told = {name: value for name, value in asdict(self).items() if name != "about"}
        return {"verdict": self.verdict, **told, "sentences": list(self.sentences)}


@dataclass(frozen=True, kw_only=True)
class ChosenRow(Explanation):
    """A pick.

    Attributes:
        rank: from 1.
        gain, base: what it added when it was picked, and what it would have added to no picks; None without gradients.
        new: the former over the latter: 1 where no earlier pick had said any of it. None where it has no meaning.
        conflict: max(0, −cos) with the mean gradient of the picks before it.
        columns: what else the method recorded of it.
        closest: the target's row that it is nearest to; None without a target's gradients.
        taken: task of the target → the share of its gradients that it explained beyond the picks before it.
        company: where it was picked.
    """

    verdict: ClassVar[str] = "chosen"
    rank: int
    gain: float | None
    base: float | None
    new: float | None
    conflict: float | None
    columns: Mapping[str, float]
    closest: Other | None
    taken: Mapping[str, float]
    company: Company | None

    @property
    def sentences(self) -> tuple[str, ...]:
        said = [self._rank(), *self._gain()]
        if self.closest is not None:
            said.append(f"{_capital(_closest(self.closest))}.")
        if self.taken:
            each = in_words(f"{share:.1%} of {_task(task)}" for task, share in self.taken.items())
            said.append(f"Beyond the picks before it, it explains {each} (gradients of the rows that chose).")
        return (*said, *_company(self.company), *_unknown(self.about))

    @property
    def others(self) -> Sequence[Other]:
        return () if self.closest is None else (self.closest,)

    def _rank(self) -> str:
        said = f"chosen: rank {self.rank} of {self.about.picks}"
        own = in_words(f"{name} {value:.4g}" for name, value in self.columns.items())
        if not self.about.worth:
            drawn = ", which draws by the seed" if self.about.draws else ""
            return f"{said} by --method {self.about.method}{drawn}{f': {own}' if own else ''}."
        new = f", {self.new:.0%} of it new" if self.new is not None and self.new <= 1 else ""
        pulls = f"; conflicts with the set by {self.conflict:.2f}" if self.conflict and self.conflict >= 0.005 else ""
        return f"{said}: gain {self.gain:.3g}{new}{pulls}{f' ({own})' if own else ''}."

    def _gain(self) -> list[str]:
        if self.gain is None or self.base is None:
            return []
        alone = f"to no picks it would have added {self.base:.3g}"
        if self.new is not None and self.new > 1:
            alone += ", so with the picks before it it tells more than alone"
        if self.about.worth:
            return [f"The gain is {self.about.worth}; {alone}."]
        share = f"; {self.new:.0%} of it was new" if self.new is not None and self.new <= 1 else ""
        return [f"By its gradient it adds {self.gain:.3g}: {self.about.measure}{share}. The method did not go by that."]


@dataclass(frozen=True, kw_only=True)
class RejectedRow(Explanation):
    """A row that could have been chosen and was not.

    Attributes:
        share: of its gradient that the picks explain, 1 − gᵀ(I + αF_S)⁻¹g/‖g‖²; None without gradients.
        explained_by: the picks that have most of that share, their parts with them.
        nearest: the pick of the largest cosine.
        gain, base: what it would have gained as the next pick, and as the first; None where the method picks by no
            objective.
        penalty: what would have been subtracted.
        place: by gain less penalty among the rejected rows it met that could be chosen; None where it could not.
        rivals: how many these are.
        last: the last pick it met and its gain less penalty then; None without an objective.
        task, agreement: the task of the target that it agrees most with, and the cosine with its mean gradient.
        closest: the target's row that it is nearest to.
        outside: whether it agreed too little with the target to be chosen.
        closed: what else kept it out, a sentence each.
        company: where it was rejected.
    """

    verdict: ClassVar[str] = "rejected"
    share: float | None = None
    explained_by: Sequence[Other] = ()
    nearest: Other | None = None
    gain: float | None = None
    base: float | None = None
    penalty: float = 0.0
    place: int | None = None
    rivals: int = 0
    last: tuple[int, float] | None = None
    task: str = ""
    agreement: float | None = None
    closest: Other | None = None
    outside: bool = False
    closed: Sequence[str] = ()
    company: Company | None = None

    @property
    def score(self) -> float | None:
        """Gain less penalty."""
        return None if self.gain is None else self.gain - self.penalty

    @property
    def sentences(self) -> tuple[str, ...]:
        why = [*self._share(), *self._next()] if self._told_already else [*self._next(), *self._share()]
        said = [*self.closed, *why]
        if self.outside:
            said.insert(
                0,
                f"it is outside the {self.about.agreeing:.0%} of the rows that agree most with the target, from which "
                "alone was chosen (--agreeing).",
            )
        said[0] = f"rejected: {said[0]}"
        if self.nearest is not None and self.nearest.cosine is not None:
            alike = "nearest pick" if self.nearest.cosine > 0 else "no pick points its way; the nearest is"
            said.append(f"{_capital(alike)} {_pick(self.nearest)}, cosine {self.nearest.cosine:.2f}.")
        if self.agreement is not None and self.closest is not None:
            said.append(
                f"It agrees with the mean gradient of {_task(self.task)} by cosine {self.agreement:.2f}; "
                f"{_closest(self.closest)}."
            )
        first, *rest = said
        return (first, *map(_capital, rest), *_company(self.company), *_unknown(self.about))

    @property
    def others(self) -> Sequence[Other]:
        named = [*self.explained_by, self.nearest, self.closest]
        return [other for other in named if other is not None]

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "score": self.score}

    @property
    def _told_already(self) -> bool:
        """Whether what the picks explain is the reason: they took half of what it would have gained, or none is known.

        Else it would never have gained much.
        """
        return self.gain is None or self.base is None or self.gain < self.base / 2

    def _share(self) -> list[str]:
        if self.share is None:
            drawn = ", which draws by the seed" if self.about.draws else ""
            return [f"not among the {self.about.picks} rows of --method {self.about.method}{drawn}."]
        rows = ", ".join(f"{other.row} ({other.share:.0%})" for other in self.explained_by)
        most = f", most by row{'s' if len(self.explained_by) > 1 else ''} {rows}" if rows else ""
        went = "" if self.about.worth else " The method did not go by that."
        return [f"{self.share:.0%} explained by the picks{most}.{went}"]

    def _next(self) -> list[str]:
        if self.gain is None or self.base is None:
            return []
        less = f", less a penalty of {self.penalty:.2g}" if self.penalty else ""
        kept = share_new(self.gain, self.base)
        new = f", {kept:.0%} of which is left" if kept is not None and kept <= 1 else ""
        said = f"as the next pick it would have gained {self.gain:.3g}{less} (as the first {self.base:.3g}{new})"
        if self.place is not None:
            said += f": place {self.place} of {self.rivals} among the rejected"
        if self.last is not None:
            said += f"; the last pick, row {self.last[0]}, had {self.last[1]:.3g}"
        return [f"{said}. The gain is {self.about.worth}."]


@dataclass(frozen=True, kw_only=True)
class DroppedRow(Explanation):
    """A row that was left out before the selection.

    Attributes:
        reason: its short name.
        detail: what exactly was wrong.
        meaning, remedy: of the reason, in words; "" of one that this version does not know.
    """

    verdict: ClassVar[str] = "dropped"
    reason: str
    detail: str
    meaning: str
    remedy: str

    @property
    def sentences(self) -> tuple[str, ...]:
        meant = [f"{_capital(self.meaning)}."] if self.meaning else []
        todo = [f"What to do: {self.remedy}."] if self.remedy else []
        return (f"dropped before the selection, {self.reason}: {self.detail}.", *meant, *todo)


def share_new(gain: float | None, base: float | None) -> float | None:
    """Gain over base, 1 where the two differ by rounding alone; None where that has no meaning."""
    if gain is None or base is None or base <= 0 or gain < 0:
        return None
    return 1.0 if abs(gain - base) <= _ROUNDING * base else gain / base


def _pick(other: Other) -> str:
    return f"row {other.row} (rank {other.rank})"


def _closest(other: Other) -> str:
    where = f" ({other.where})" if other.where else ""
    return f"closest to target row {other.row}{where}, cosine {other.cosine:.2f}"


def _task(task: str) -> str:
    return f"the target's task {task!r}" if task else "the target"


def _company(company: Company | None) -> list[str]:
    return [company.sentence] if company is not None and company.sentence else []


def _unknown(about: Circumstances) -> list[str]:
    return [about.without_gradients] if about.without_gradients else []


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
