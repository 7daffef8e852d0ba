"""A comparison under way: every arm chooses, and is tuned and judged; a failure takes no other arm with it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from spice_select.comparison.arms import CONTROL, STRATIFIED, UNTUNED, Contender
from spice_select.comparison.choosing import ArmChoice, Chooser
from spice_select.comparison.records import ArmRun
from spice_select.comparison.result import ArmFailure
from spice_select.comparison.settings import seeds_of
from spice_select.comparison.tuning import FULL, Tuner, seeds_of_control
from spice_select.errors import PartsDueError
from spice_select.progress import Progress

REFERENCES = frozenset({STRATIFIED, FULL})
"""Arms that are shown beside the others, and of which nothing is claimed."""


@dataclass
class ArmsAtWork:
    """What is done, arm by arm, and what of it failed.

    Attributes:
        contenders: who chooses.
        chooser: lets them.
        progress: told of failures as they happen.
        failures: so far.
    """

    contenders: Sequence[Contender]
    chooser: Chooser
    progress: Progress
    failures: list[ArmFailure] = field(default_factory=list)

    def choices(self) -> list[ArmChoice]:
        """What each arm chose, with each of its seeds; those that failed are not among them.

        Raises:
            PartsDueError: one waits for parts that others compute (`--engine parts`); the next may wait for the same.
        """
        found = list[ArmChoice]()
        for one in self.contenders:
            for seed in self._seeds(one) if one.draws else self._seeds(one)[:1]:
                with self._attempt(one.label, seed, "choice"):
                    found.append(self.chooser.choose(one, seed))
        return found

    def tunings(self, choices: Sequence[ArmChoice], tuner: Tuner) -> list[ArmRun]:
        """Every tuning, seed by seed, so that a comparison of the first seeds can be looked at early."""
        chosen, found = {(one.arm.label, one.seed): one for one in choices}, list[ArmRun]()
        if not choices:
            return found
        self.progress.note(f"Tunings: {tuner.steps:,} optimiser steps each")
        with self._attempt(UNTUNED, 0, "judging"):
            found.append(tuner.untuned())
        for seed in self._seeds(self._control):
            for one in self.contenders:
                seeds = self._seeds(one)
                choice = chosen.get((one.label, seed if one.draws else seeds[0]))
                if choice is not None and seed in seeds:
                    with self._attempt(one.label, seed, "tuning"):
                        found.append(tuner.tuned(choice, seed))
            if seed in self._asked:
                with self._attempt(FULL, seed, "tuning"):
                    found.append(tuner.full(choices[0], seed))
        return found

    @property
    def _asked(self) -> tuple[int, ...]:
        return seeds_of(self.chooser.settings.arms.seeds)

    @property
    def _control(self) -> Contender:
        return next(one for one in self.contenders if one.label == CONTROL)

    def _seeds(self, arm: Contender) -> tuple[int, ...]:
        """The seeds of an arm; with tunings the control has more."""
        settings = self.chooser.settings
        if arm.label != CONTROL or not settings.tuning.train:
            return self._asked
        return seeds_of_control(settings, len({one.label for one in self.contenders} - REFERENCES - {CONTROL}))

    def failed(self, failure: ArmFailure) -> None:
        """Keep what failed, and tell it."""
        self.failures.append(failure)
        self.progress.note(f"{failure.arm}, seed {failure.seed}, {failure.what}: failed ({failure.cause})")

    @contextmanager
    def _attempt(self, arm: str, seed: int, what: str) -> Iterator[None]:
        """Keep the failure of one arm from taking the others with it; an interruption is none, nor are parts due."""
        try:
            yield
        except PartsDueError:
            raise
        except Exception as error:
            self.failed(ArmFailure.of(error, arm=arm, seed=seed, what=what))


def first_choices(choices: Sequence[ArmChoice]) -> Mapping[str, ArmChoice]:
    """Of each arm the choice of its first seed."""
    found = dict[str, ArmChoice]()
    for choice in choices:
        found.setdefault(choice.arm.label, choice)
    return found
