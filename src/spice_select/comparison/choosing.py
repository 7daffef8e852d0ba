"""One arm's choice, as an ordinary run: its order is cut where it holds the budget's supervised tokens."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spice_select.comparison.arms import Contender, same_model
from spice_select.comparison.grounds import AIM, POOL, Grounds, token_budget
from spice_select.comparison.hushed import Hushed
from spice_select.comparison.settings import CompareSettings
from spice_select.data.opened import EncodedCorpus, OpenedCorpus
from spice_select.errors import InputError
from spice_select.methods.budget import Budget
from spice_select.pipeline import run_select
from spice_select.progress import Progress, Silent
from spice_select.run.finished import Run
from spice_select.run.folder import MANIFEST, RunFolder
from spice_select.run.settings import SelectSettings

ARMS = "arms"
_AHEAD = 1.25
"""How many more rows than the budget's mean are asked for first; picks of short answers need more, and are asked
again for twice as many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmChoice:
    """What an arm chose with a seed.

    Attributes:
        arm: who.
        seed: of the choice.
        run: the finished run.
        rows: int64 ``[k]``, lines of the pool's file, in the order picked.
        supervised: their supervised tokens.
    """

    arm: Contender
    seed: int
    run: Run
    rows: NDArray[np.int64]
    supervised: int


@dataclass(frozen=True, kw_only=True)
class Chooser:
    """Lets arms choose, each in a folder of its own beside the others, so that they take features from one another."""

    folder: Path
    grounds: Grounds
    settings: CompareSettings
    progress: Progress
    _read: list[EncodedCorpus] = field(default_factory=list, repr=False, compare=False)

    def choose(self, arm: Contender, seed: int) -> ArmChoice:
        """The arm's choice; what is finished is read back.

        Raises:
            InputError: as a run of it, or its first row holds more than the whole budget.
        """
        place = self.place(arm, seed)
        if not RunFolder(place).finished or arm.reads_files:  # a finished run is held against these files
            self.progress.note(f"{arm.label}, seed {seed}: choosing")
            if self.settings.arms.equal == "rows":
                self._run(arm, seed, Budget.parse(self.settings.arms.budget).rows(len(self.grounds)), place)
            elif arm.in_pools:
                self._run(arm, seed, Budget(tokens=self.tokens, supervised=True), place)
            else:
                self._cut(arm, seed, place)
        rows = Run(place).row_numbers
        supervised = int(self.grounds.supervised[rows].sum())
        return ArmChoice(arm=arm, seed=seed, run=Run(place), rows=rows, supervised=supervised)

    def place(self, arm: Contender, seed: int) -> Path:
        """The folder of its run."""
        return self.folder / ARMS / f"{arm.place}--seed-{seed}"

    @property
    def tokens(self) -> int:
        """Supervised tokens that each arm may take where tokens are equal, and of which the budget is a share."""
        return token_budget(Budget.parse(self.settings.arms.budget), self.grounds)

    def _cut(self, arm: Contender, seed: int, place: Path) -> None:
        """Ask for an order that is long enough, and then for the beginning of it that the budget holds.

        Raises:
            InputError: as `choose`.
        """
        n, budget = len(self.grounds), self.tokens
        wanted = min(n, max(2, round(_AHEAD * budget / float(self.grounds.supervised.mean()))))
        while True:
            ahead = place.with_name(f"{place.name}--{wanted}-rows")
            order = self._run(arm, seed, wanted, ahead).row_numbers
            fitting = fitting_rows(order, self.grounds.supervised, budget)
            if fitting < len(order) or wanted >= n or len(order) < wanted:
                break
            wanted = min(n, 2 * wanted)
        if not fitting:
            raise InputError(
                f"{arm.label}: its first row has {self.grounds.supervised[order[0]]:,} supervised tokens, the whole "
                f"budget {budget:,}. Give a larger --budget."
            )
        self._run(arm, seed, fitting, place)

    def _run(self, arm: Contender, seed: int, much: int | Budget, place: Path) -> Run:
        """A run of so many rows, or tokens; all there are where the pool has no more, whatever of them can be used."""
        budget = "100%" if isinstance(much, int) and much >= len(self.grounds) else str(much)
        aim = None if self.grounds.aim is None else str(self.folder / AIM)
        asked = arm.asks(self.settings, seed=seed, budget=budget, target=aim)
        kept = {"keep_contradictions": self.settings.data.keep_contradictions}
        data = asked.data.model_copy(update={"format": self.grounds.pool.format.name, **kept})
        asked = asked.model_copy(update={"data": data})
        pool, hushed = str(self.folder / POOL), Hushed(self.progress)
        return run_select(pool, asked, out=place, progress=hushed, known=self._corpus(asked))

    def _corpus(self, asked: SelectSettings) -> EncodedCorpus | None:
        """The pool as all arms see it, read and encoded once; None for an arm whose proxy has tokens of its own."""
        if not same_model(asked.proxy, self.settings.proxy):
            return None
        if not self._read:
            pool = str(self.folder / POOL)
            opened = OpenedCorpus.of(pool, asked.data, Silent())
            self._read.append(opened.encoded(self.grounds.proxy.tokenizer, asked.data, Silent()))
        return self._read[0]


def places_chosen(folder: Path) -> list[str]:
    """The places of the arms that have chosen in a comparison's folder."""
    runs = (path.parent.name.rpartition("--seed-") for path in (folder / ARMS).glob(f"*/{MANIFEST}"))
    return [place for place, _, seed in runs if seed.isdigit()]


def fitting_rows(order: NDArray[np.int64], supervised: NDArray[np.int64], budget: int) -> int:
    """How many of an order's first rows hold at most so many supervised tokens.

    It ends at the first row that does not fit: to go on to shorter ones would favour them.
    """
    return int(np.searchsorted(np.cumsum(supervised[order]), budget, side="right"))
